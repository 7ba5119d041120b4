"""What every service promises, as tests: one file a chapter, all of them in `ConformanceSuite`."""

from .suite import ConformanceSuite

__all__ = ["ConformanceSuite"]
