"""A guard against slowing down: how many instructions the hot paths take, counted, not timed."""
