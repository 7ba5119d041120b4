"""Strategies for values of every type that the codec holds, nested in any way."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import strategies as st

from . import samples

ZONES = [ZoneInfo(key) for key in ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Etc/GMT+12")]

offsets = st.timedeltas(min_value=timedelta(hours=-23, minutes=-59), max_value=timedelta(hours=23, minutes=59))
zones = st.one_of(
    st.none(),
    st.just(UTC),
    st.builds(timezone, offsets),
    st.builds(timezone, offsets, st.text(max_size=8)),
    st.sampled_from(ZONES),
)


@st.composite
def datetimes(draw: st.DrawFn) -> Any:
    at = draw(st.datetimes())
    return at.replace(tzinfo=draw(zones), fold=draw(st.integers(0, 1)))


@st.composite
def times(draw: st.DrawFn) -> Any:
    at = draw(st.times())
    return at.replace(tzinfo=draw(zones), fold=draw(st.integers(0, 1)))


texts = st.text(st.characters(exclude_categories=()), max_size=20)  # lone surrogates too
decimals = st.one_of(
    st.decimals(),
    st.sampled_from(["NaN", "-NaN7", "sNaN", "-sNaN12", "-0", "0E+3", "1E-300", "9E+999999", "Infinity"]).map(
        lambda text: __import__("decimal").Decimal(text)
    ),
)
enums = st.sampled_from([*samples.Color, *samples.Level, *samples.Size])
flags = st.one_of(
    st.integers(0, 7).map(samples.Access),
    st.integers(0, 1000).map(samples.Bits),
)

hashable_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(1 << 200), max_value=1 << 200),
    st.sampled_from([2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1]),
    st.floats(),
    texts,
    st.binary(max_size=300),
    datetimes(),
    st.dates(),
    times(),
    st.timedeltas(),
    decimals.filter(lambda number: not number.is_snan()),  # a signalling NaN has no hash
    st.uuids(),
    enums,
    flags,
)
scalars = st.one_of(hashable_scalars, decimals)


def hashables(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=4).map(tuple),
        st.frozensets(inner, max_size=4),
        st.builds(samples.Frozen, inner),
        st.builds(samples.Strict, key=inner, value=inner),
        st.builds(samples.Pair, inner, inner),
        st.builds(samples.Checked, a=inner.filter(lambda value: type(value) is not str), b=inner),
    )


keys = st.recursive(hashable_scalars, hashables, max_leaves=4)


def rows(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Lists of tuples of one length; columns are of one type, with None among them, or mixed."""
    column = st.sampled_from(
        [inner, st.integers(), texts, datetimes(), st.datetimes(), st.dates(), st.uuids(), decimals, st.floats()]
    ).flatmap(lambda strategy: st.sampled_from([strategy, st.one_of(st.none(), strategy)]))
    width = st.lists(column, min_size=1, max_size=5)
    return width.flatmap(lambda columns: st.lists(st.tuples(*columns), min_size=0, max_size=12))


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=6),
        st.lists(inner, max_size=6).map(tuple),
        st.dictionaries(texts, inner, max_size=5),
        st.dictionaries(keys, inner, max_size=5),
        st.sets(keys, max_size=5),
        st.frozensets(keys, max_size=5),
        rows(inner),
        models(inner),
    )


def models(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(samples.Point, inner, inner),
        st.builds(samples.Slotted, inner, inner),
        st.builds(samples.Mixed, inner, inner),
        st.builds(samples.Derived, inner),
        st.builds(samples.One, inner),
        st.builds(samples.Empty),
        st.builds(samples.Pair, inner, inner),
        st.builds(samples.Loose, inner, inner),
        st.builds(samples.Struct, inner, inner),
        st.builds(samples.Struct, inner, st.just(msgspec.UNSET)),
        st.builds(samples.Open, inner),
        st.builds(samples.Model, a=inner),
        st.builds(samples.Model, a=inner, b=inner),
        st.builds(samples.Extra, more=inner),
        st.builds(samples.Secretive, a=st.integers(0)),
        st.builds(samples.Root, st.lists(st.integers(), max_size=3)),
    )


values = st.recursive(scalars, containers, max_leaves=25)
