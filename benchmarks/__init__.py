"""Benchmarks: one file a question, us and our peers side by side in one run.

Ratios of neighbours in time count, never bare seconds.
"""
