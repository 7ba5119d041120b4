"""For tests of your own: a real server that starts in milliseconds, and a clock that you move by hand."""

from .clock import FakeClock
from .server import EmbeddedServer, find_server, free_port, unique_prefix

__all__ = ["EmbeddedServer", "FakeClock", "find_server", "free_port", "unique_prefix"]
