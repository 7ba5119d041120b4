"""Benchmarks: each file asks one question and prints ratios from one run, never bare seconds."""
