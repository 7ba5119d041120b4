"""`ConformanceSuite`: all parts of the contract in one class for pytest."""

from __future__ import annotations

from typing import Any

from .bad_input import BadInput
from .batches import Batches
from .bulk import BulkLoading
from .changes import ChangesDuringLoads
from .counters import CounterVerbs
from .flights import Flights
from .lifetimes import Lifetimes
from .loaded import LoadedValues
from .loading import Loading
from .patterns import Patterns
from .staleness import Staleness
from .tags import Tags
from .values import Values
from .whole import TheServiceItself
from .writers import Writers

__all__ = ["ConformanceSuite"]


class ConformanceSuite(
    Values,
    Lifetimes,
    Batches,
    Patterns,
    CounterVerbs,
    Tags,
    Loading,
    LoadedValues,
    Staleness,
    ChangesDuringLoads,
    Flights,
    BulkLoading,
    Writers,
    BadInput,
    TheServiceItself,
):
    """What every service of this package promises, as tests that you can run on a service of your own.

    Subclass it under a name that begins with ``Test``, override `make_service` and `advance`, and run pytest, with
    pytest-asyncio installed, in either of its modes. Tests take the service from the fixture `service`, which opens
    and closes what `make_service` gives; a class may define that fixture itself instead. A test that doesn't apply
    is left out by setting it to None.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        try:
            import pytest
            import pytest_asyncio
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"ConformanceSuite needs {error.name}: pip install pytest pytest-asyncio", name=error.name
            ) from error
        suite: Any = cls
        if not hasattr(cls, "service"):
            suite.service = pytest_asyncio.fixture(cls.opened, name="service")
        suite.pytestmark = [*cls.__dict__.get("pytestmark", ()), pytest.mark.asyncio]
