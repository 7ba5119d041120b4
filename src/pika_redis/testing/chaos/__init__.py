"""The soak: a fleet of processes uses a cache while its server, and the network before it, fail again and again.

From a shell: ``python -m pika_redis.testing.chaos --seconds 300``, or ``make chaos``.
"""

from .fault import Fault, Window
from .figures import Figures, figures_of
from .report import ChaosReport
from .soak import Soak, soak
from .stage import Stage, Topology, stage_of

__all__ = ["ChaosReport", "Fault", "Figures", "Soak", "Stage", "Topology", "Window", "figures_of", "soak", "stage_of"]
