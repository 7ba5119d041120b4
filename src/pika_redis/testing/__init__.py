"""For tests of your own: a real server that starts in milliseconds, time that passes when told, and the contract."""

from .ageing import age_entries
from .assertions import refuses  # before the suite: it asks pytest to show the values of the suite's asserts
from .clock import FakeClock
from .cluster import EmbeddedCluster
from .conformance import ConformanceSuite
from .faulty_wire import FaultyWire
from .sentinels import EmbeddedSentinels
from .server import EmbeddedServer, find_server, free_port, unique_prefix
from .waiting import until_healthy

__all__ = [
    "ConformanceSuite",
    "EmbeddedCluster",
    "EmbeddedSentinels",
    "EmbeddedServer",
    "FakeClock",
    "FaultyWire",
    "age_entries",
    "find_server",
    "free_port",
    "refuses",
    "unique_prefix",
    "until_healthy",
]
