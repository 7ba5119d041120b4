"""What is known of tags and epochs, and what forgets it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pika_redis.storage import nonces as room
from pika_redis.storage.nonces import Nonces, nonce_in


def value(nonce: bytes) -> bytes:
    return b"T" + nonce.ljust(8, b".") + b"\xff" * 4


ONE, TWO = b"one.....", b"two....."


@pytest.mark.parametrize(
    "raw", [None, b"", b"T", value(b"x")[:-1], value(b"x") + b"x", b"V" + value(b"x")[1:], 7, [value(b"x")]]
)
def test_what_is_no_tag_has_no_nonce(raw: object) -> None:
    assert nonce_in(raw) is None


def test_the_nonce_stands_behind_the_first_byte() -> None:
    assert nonce_in(value(ONE)) == ONE


def test_a_nonce_is_known_from_when_it_is_learnt_until_it_ends() -> None:
    nonces = Nonces()
    tag = nonces.at("t")
    stood = [tag.now]
    for raw in (value(ONE), value(TWO), None):
        nonces.learn("t", raw)
        stood.append(tag.now)
        nonces.end("t")
        stood.append(tag.now)
    assert stood == [None, ONE, None, TWO, None, None, None]
    assert nonces.at("t") is tag  # who holds it sees it come back
    nonces.end("never seen")


def test_an_end_concerns_its_key_alone() -> None:
    nonces = Nonces()
    nonces.learn("a", value(ONE))
    nonces.learn("b", value(TWO))
    nonces.end("a")
    assert (nonces.at("a").now, nonces.at("b").now) == (None, TWO)


def test_in_use_is_what_is_known_and_was_compared_since_the_last_time() -> None:
    nonces = Nonces()
    for key in "abc":
        nonces.learn(key, value(ONE))
    nonces.at("a").used = nonces.at("b").used = True
    nonces.end("b")
    assert nonces.in_use() == ["a"]
    assert nonces.in_use() == []
    nonces.learn("b", value(ONE))
    assert nonces.in_use() == ["b"]


def test_after_clear_nothing_is_known_to_who_holds_one_either() -> None:
    nonces = Nonces()
    nonces.learn("a", value(ONE))
    held = nonces.at("a")
    nonces.clear()
    assert held.now is None
    nonces.learn("a", value(ONE))
    assert held.now is None  # a new one took its place, so that what was written under the old one stays dead
    assert nonces.at("a").now == ONE


def test_room_is_made_of_what_was_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MOST", 10)
    nonces = Nonces()
    for number in range(10):
        nonces.learn(f"{number}", value(ONE))
    used, unused = nonces.at("3"), nonces.at("4")
    used.used = True
    nonces.learn("new", value(TWO))
    assert (used.now, unused.now, nonces.at("new").now) == (ONE, None, TWO)
    assert nonces.at("3") is used
    assert nonces.at("4") is not unused


def test_in_case_of_need_everything_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MOST", 10)
    nonces = Nonces()
    for number in range(10):
        nonces.learn(f"{number}", value(ONE))
        nonces.at(f"{number}").used = True
    held = nonces.at("5")
    nonces.learn("new", value(TWO))
    assert held.now is None
    assert len(nonces._nonces) == 1


@pytest.mark.parametrize(
    ("happens", "grows"),
    [
        (lambda nonces: nonces.learn("a", value(TWO)), True),
        (lambda nonces: nonces.learn("a", None), True),
        (lambda nonces: nonces.learn("a", value(ONE)), False),
        (lambda nonces: nonces.learn("new", value(ONE)), True),
        (lambda nonces: nonces.end("a"), True),
        (lambda nonces: nonces.end("never seen"), False),
        (lambda nonces: nonces.at("new"), False),
        (lambda nonces: nonces.clear(), True),
        (lambda nonces: nonces.in_use(), True),
    ],
    ids=["another", "gone", "the same", "a new one", "ended", "nothing ended", "looked at", "cleared", "use asked for"],
)
def test_changes_grows_whenever_what_was_current_may_be_so_no_longer(
    happens: Callable[[Nonces], object], grows: bool
) -> None:
    nonces = Nonces()
    nonces.learn("a", value(ONE))
    before = nonces.changes
    happens(nonces)
    assert (nonces.changes > before) is grows


def test_changes_grows_when_room_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MOST", 2)
    nonces = Nonces()
    for key in "ab":
        nonces.learn(key, value(ONE))
    before = nonces.changes
    nonces.at("c")
    assert nonces.changes > before
