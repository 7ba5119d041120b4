"""Amounts and patterns are taken as what they are, or refused."""

from __future__ import annotations

import enum

import pytest

from pika_redis import MemoryCacheService, NullService
from pika_redis.errors import ArgumentError
from pika_redis.service.items import check_amount, check_pattern


class Step(enum.IntEnum):
    TWO = 2


class Loud(int):
    def __str__(self) -> str:
        return "loud"

    def __index__(self) -> int:
        return 7


@pytest.mark.parametrize(("amount", "plain"), [(Step.TWO, 2), (Loud(3), 3), (-1, -1)])
def test_an_amount_is_a_plain_integer(amount: int, plain: int) -> None:
    checked = check_amount(amount)
    assert (type(checked), checked) == (int, plain)


class Name(enum.StrEnum):
    USERS = "users:*"


def test_a_pattern_is_a_plain_text() -> None:
    assert type(check_pattern(Name.USERS)) is str


@pytest.mark.parametrize("service", [MemoryCacheService(), NullService()], ids=lambda service: type(service).__name__)
async def test_a_pattern_that_cannot_be_encoded_is_refused(service: MemoryCacheService | NullService) -> None:
    for verb in (service.count_pattern, service.delete_pattern):
        with pytest.raises(ArgumentError, match="pattern must be encodable as UTF-8") as caught:
            await verb("\ud800*")
        assert caught.value.__context__ is None
