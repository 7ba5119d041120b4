"""What should happen: freshness, options, flights, the read-through flow. Sees values, never bytes."""
