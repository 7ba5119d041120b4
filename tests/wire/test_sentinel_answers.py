from __future__ import annotations

import hiredis
import pytest

from pika_redis.errors import AccessDeniedError, CacheError, CacheServerError, CacheUnavailableError
from pika_redis.wire.sentinel_answers import Answer, answer_of, told_of, verdict

OLD, NEW = ("10.0.0.1", 6379), ("10.0.0.2", 6379)
DENIED = AccessDeniedError("no rights", code="NOPERM")


@pytest.mark.parametrize(
    ("answers", "known", "expected"),
    [
        ([], -1, None),
        ([Answer(OLD, 0)], -1, Answer(OLD, 0)),
        ([Answer(OLD, 3)], 3, Answer(OLD, 3)),
        ([Answer(NEW, 4)], 3, Answer(NEW, 4)),
        ([Answer(OLD, 3)], 4, None),
        ([Answer(OLD, 3), Answer(NEW, 4)], 4, Answer(NEW, 4)),
        ([Answer(NEW, 4), Answer(OLD, 3), Answer(OLD, 3)], 4, Answer(NEW, 4)),
        ([Answer(NEW, 0), Answer(NEW, 0)], 4, Answer(NEW, 0)),
        ([Answer(OLD), Answer(NEW), Answer(NEW)], -1, Answer(NEW)),
    ],
    ids=[
        "nobody answers",
        "the first word",
        "as known",
        "newer",
        "one that is behind",
        "behind, and newer",
        "the newest, however few say so",
        "set up anew, says a majority",
        "without epochs most count",
    ],
)
def test_the_newest_answer_counts(answers: list[Answer], known: int, expected: Answer | None) -> None:
    assert verdict(answers, known, 3) == expected


@pytest.mark.parametrize(("sentinels", "enough"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_a_majority_of_those_that_are_behind_is_more_than_half_of_all(sentinels: int, enough: int) -> None:
    votes = [Answer(NEW, 0)] * enough
    assert verdict(votes, 7, sentinels) == Answer(NEW, 0)
    assert verdict(votes[1:], 7, sentinels) is None


def about(**fields: str) -> dict[bytes, bytes]:
    return {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ([[b"10.0.0.1", b"6379"], about(config_epoch="5")], Answer(OLD, 5)),
        ([[b"10.0.0.1", b"6379"], DENIED], Answer(OLD, -1)),
        ([[b"10.0.0.1", b"6379"], about()], Answer(OLD, -1)),
        ([[b"redis-1.example.org", b"6379"], about(config_epoch="0")], Answer(("redis-1.example.org", 6379), 0)),
        ([None, CacheServerError("No such master with that name")], None),
    ],
)
def test_a_reply_is_an_address_with_its_epoch(replies: list[object], expected: Answer | None) -> None:
    assert answer_of(replies) == expected


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        ([DENIED, DENIED], AccessDeniedError),
        ([[b"10.0.0.1"], about()], CacheUnavailableError),
        ([[b"10.0.0.1", b"x"], about()], CacheUnavailableError),
        ([[b"10.0.0.1", b"6379"], b"OK"], CacheUnavailableError),
        ([7, about()], CacheUnavailableError),
    ],
)
def test_what_is_no_address_is_an_error(replies: list[object], error: type[CacheError]) -> None:
    with pytest.raises(error):
        answer_of(replies)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([b"message", b"+switch-master", b"shop 10.0.0.1 6379 10.0.0.2 6379"], NEW),
        ([b"message", b"+promoted-slave", b"slave 10.0.0.2:6379 10.0.0.2 6379 @ shop 10.0.0.1 6379"], NEW),
        ([b"message", b"+switch-master", b"other 10.0.0.1 6379 10.0.0.2 6379"], None),
        ([b"message", b"+promoted-slave", b"slave 10.0.0.2:6379 10.0.0.2 6379 @ other 10.0.0.1 6379"], None),
        ([b"message", b"+switch-master", b"shop 10.0.0.1 6379 10.0.0.2"], None),
        ([b"message", b"+switch-master", b"shop 10.0.0.1 6379 10.0.0.2 x"], None),
        ([b"message", b"+switch-master", b"\xff"], None),
        ([b"subscribe", b"+switch-master", 1], None),
    ],
)
def test_news_names_the_primary_of_one_master(words: list[object], expected: object) -> None:
    assert told_of(hiredis.PushNotification(words), "shop") == expected
