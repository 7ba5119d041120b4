"""pika-redis: one caching interface over Redis, Valkey and memory."""

from __future__ import annotations

from .errors import (
    AccessDeniedError,
    ArgumentError,
    ArgumentTypeError,
    BatchError,
    CacheClosedError,
    CacheError,
    CacheServerError,
    CacheTimeoutError,
    CacheUnavailableError,
    CacheUsageError,
    CommandRefusedError,
    ConfigurationError,
    KeyNotFoundError,
    LoadFailedError,
    LoadTimeoutError,
    LockLostError,
    LockNotAcquiredError,
    NotAnIntegerError,
    NotReplicatedError,
    OutcomeUnknownError,
    OverloadedError,
    SerializationError,
    UnstableArgumentError,
    ValueTooLargeError,
)
from .model.glob import escape_glob
from .model.item import CacheItem
from .model.loaded import DO_NOT_STORE, Loaded
from .model.missing import MISSING
from .model.report import CacheStats, HealthReport, HealthStatus
from .model.version import __version__ as __version__
from .policy.rules.options import CacheOptions
from .service.current import bypass_cache
from .service.decorator import cache, cached
from .service.default import get_default_service, set_default_service, use_service
from .service.memory_service import MemoryCacheService
from .service.null_service import NullService
from .service.protocols import CacheService, FullCacheService
from .service.redis_config import RedisConfig, create_redis_config
from .service.redis_service import RedisService
from .service.settings import CacheSettings

__all__ = [
    # services
    "RedisService",
    "MemoryCacheService",
    "NullService",
    "CacheService",
    "FullCacheService",
    # the decorator
    "cache",
    "cached",
    "CacheOptions",
    # settings
    "create_redis_config",
    "RedisConfig",
    "CacheSettings",
    # values
    "CacheItem",
    "CacheStats",
    "HealthReport",
    "HealthStatus",
    "Loaded",
    "DO_NOT_STORE",
    "MISSING",
    "escape_glob",
    # which service
    "set_default_service",
    "get_default_service",
    "use_service",
    "bypass_cache",
    # errors
    "AccessDeniedError",
    "ArgumentError",
    "ArgumentTypeError",
    "BatchError",
    "CacheClosedError",
    "CacheError",
    "CacheServerError",
    "CacheTimeoutError",
    "CacheUnavailableError",
    "CacheUsageError",
    "CommandRefusedError",
    "ConfigurationError",
    "KeyNotFoundError",
    "LoadFailedError",
    "LoadTimeoutError",
    "LockLostError",
    "LockNotAcquiredError",
    "NotAnIntegerError",
    "NotReplicatedError",
    "OutcomeUnknownError",
    "OverloadedError",
    "SerializationError",
    "UnstableArgumentError",
    "ValueTooLargeError",
]

for _public in [globals()[_name] for _name in __all__]:
    if getattr(_public, "__module__", "").startswith("pika_redis."):
        _public.__module__ = "pika_redis"
