"""Whom to log in as: the credentials of the settings, or what a function of the user's gives at every connect.

Such a function is foreign code that handles secrets. So nothing of what it gives or raises is shown: of a failure no
more than its type is told, and no exception of it stays attached to ours.
"""

from __future__ import annotations

import asyncio
import inspect

from ..errors import CacheTimeoutError, CacheUnavailableError
from ..model.secret import Secret
from .endpoint import CredentialProvider, Credentials, Endpoint

__all__ = ["credentials_of"]

_SETTING = "credentials="


async def credentials_of(endpoint: Endpoint) -> Credentials:
    """The credentials to log in with now, within `connect_timeout`.

    Raises CacheUnavailableError when the function of the user's fails or gives something else, CacheTimeoutError when
    it takes too long.
    """
    provider = endpoint.provider
    if provider is None:
        return endpoint.credentials
    limit = asyncio.timeout(endpoint.connect_timeout)
    try:
        async with limit:
            username, password = _read(await _asked(provider))
        return Credentials(username, password, endpoint.credentials.db, _SETTING)
    except Exception as error:  # noqa: BLE001 (whatever a function of the user's raises)
        failed = type(error).__name__
    if limit.expired():
        raise CacheTimeoutError(f"{_SETTING} gave nothing within {endpoint.connect_timeout:g} s")
    if failed == _WrongType.__name__:
        raise CacheUnavailableError(f"{_SETTING} must give a password, or a tuple (username, password), as str")
    raise CacheUnavailableError(f"{_SETTING} failed: {failed}")


class _WrongType(Exception):
    """What was given is no login."""


async def _asked(provider: CredentialProvider) -> object:
    asynchronous = inspect.iscoroutinefunction(provider) or inspect.iscoroutinefunction(
        getattr(provider, "__call__", None)  # noqa: B004 (an object whose call is async)
    )
    given = provider() if asynchronous else await asyncio.to_thread(provider)
    return await given if inspect.isawaitable(given) else given


def _read(given: object) -> tuple[str | None, str]:
    username, password = given if isinstance(given, tuple) and len(given) == 2 else (None, given)
    if isinstance(password, Secret):
        password = password.reveal()
    if not isinstance(password, str) or not (username is None or isinstance(username, str)):
        raise _WrongType
    return username, password
