"""Pure decisions: no await, no I/O, no clock of their own."""
