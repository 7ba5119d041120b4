"""What part of the reads does memory answer, of what no policy could exceed?"""

from .contest import main

__all__ = ["main"]
