"""Ground: values without behaviour, durations, patterns and the clock. No I/O."""
