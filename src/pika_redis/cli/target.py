"""Which server and which namespace a command is about: the environment's, unless the command line says otherwise."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from pika_redis import CacheSettings, ConfigurationError, RedisConfig

from .failure import USAGE, Failure

__all__ = ["Target"]

_TLS = frozenset({"tls_ca_file", "tls_cert_file", "tls_key_file", "tls_verify"})


@dataclass(frozen=True, slots=True)
class Target:
    """What the command line says; None = as the environment says."""

    url: str | None = None
    prefix: str | None = None

    def config(self) -> RedisConfig:
        """The settings of the application that this environment belongs to, as one command needs them.

        A command asks once, and asks also where CACHE_ENABLED switches an application's cache off. Raises Failure,
        ConfigurationError.
        """
        config = CacheSettings.from_env(self._variables()).to_config()
        kind = config.address.kind
        if kind in ("memory", "embedded"):
            raise Failure(f"{kind}:// lives and dies with its process: a command finds nothing there", USAGE)
        config = replace(config, enabled=True, retry_attempts=0)
        if self.prefix is None:
            return config
        try:
            return replace(config, key_prefix=self.prefix)
        except ConfigurationError as error:
            raise Failure(str(error).replace("key_prefix", "--prefix", 1), USAGE) from None

    @property
    def source(self) -> str:
        """Where the server's address came from, in words."""
        if self.url is not None:
            return "address from --url"
        for name in ("REDIS_URL", "REDIS_HOST", "REDIS_PORT"):
            if os.environ.get(name, "").strip():
                return f"address from {name}"
        return "the default address; set REDIS_URL or --url for another"

    def _variables(self) -> dict[str, str]:
        """The environment with --url in the place of REDIS_URL, and without the variables that it outdoes."""
        variables = dict(os.environ)
        if self.url is None:
            return variables
        if not self.url.strip():
            raise Failure("--url is empty; write for example redis://localhost:6379", USAGE)
        try:
            address = CacheSettings.from_env({"REDIS_URL": self.url}).to_config().address
        except ConfigurationError as error:
            raise Failure(str(error).replace("REDIS_URL", "--url", 1), USAGE) from None
        outdone = {"host", "port", *address.stated, *(_TLS if address.tls is None else ())}
        for name in outdone:
            variables.pop(f"REDIS_{name.upper()}", None)
        return {**variables, "REDIS_URL": self.url}
