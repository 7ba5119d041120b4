"""``pika-redis demo``: a real service, measured without and with the cache."""

from .run import run

__all__ = ["run"]
