"""Which message a fault strikes: the seed says it, and nothing else."""

from __future__ import annotations

import pytest

from pika_redis.errors import ArgumentError
from pika_redis.testing.faults import Fault, Faults, Place


def struck(faults: Faults, fault: Fault, connection: int = 1, messages: int = 2000) -> list[int]:
    return [number for number in range(messages) if faults.strikes(fault, Place(connection, "replies", number))]


def with_share(share: float, seed: int = 7) -> Faults:
    faults = Faults(seed)
    faults.turn_on(Fault.DROP, share)
    return faults


def test_the_same_seed_strikes_the_same_messages() -> None:
    first = struck(with_share(0.1), Fault.DROP)
    assert first == struck(with_share(0.1), Fault.DROP)
    assert first != struck(with_share(0.1, seed=8), Fault.DROP)
    assert first != struck(with_share(0.1), Fault.DROP, connection=2)


def test_the_share_is_about_the_share() -> None:
    assert 140 < len(struck(with_share(0.1), Fault.DROP)) < 260
    assert len(struck(with_share(1.0), Fault.DROP)) == 2000
    assert struck(with_share(0.0), Fault.DROP) == []


def test_a_fault_strikes_in_its_direction_alone_and_is_counted() -> None:
    faults = Faults(1)
    faults.turn_on(Fault.DELAY, 1.0, ("commands",))
    assert not faults.strikes(Fault.DELAY, Place(1, "replies", 1))
    assert faults.strikes(Fault.DELAY, Place(1, "commands", 1))
    assert faults.counts == {"delay": 1}


def test_an_error_answers_the_commands_of_its_name() -> None:
    faults = Faults(1)
    faults.answer("get", "LOADING x", 1.0)
    faults.answer("CLIENT KILL", "ERR no", 1.0)
    place = Place(1, "commands", 1)
    assert faults.answer_to(["GET", "a"], place) == b"-LOADING x\r\n"
    assert faults.answer_to(["client", "kill", "ID"], place) == b"-ERR no\r\n"
    assert faults.answer_to(["CLIENT", "INFO"], place) is None
    assert faults.answer_to(["SET", "GET", "1"], place) is None
    faults.answer("*", "OOM y", 1.0)
    assert faults.answer_to(["SET", "a", "1"], place) == b"-OOM y\r\n"
    faults.heal()
    assert faults.answer_to(["GET", "a"], place) is None
    assert faults.counts == {"answer": 3}


def test_a_garbled_message_differs_in_one_byte() -> None:
    faults = Faults(1)
    for payload in (False, True):
        faults.payload_too = payload
        for number in range(200):
            found = faults.garbled(b"$5\r\nhello\r\n", Place(1, "replies", number))
            changed = [at for at, (old, new) in enumerate(zip(b"$5\r\nhello\r\n", found, strict=True)) if old != new]
            assert len(changed) == 1
            assert payload or (changed == [0] and found[:1] not in b"+-:$*_#,(!=%~>|")


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_from_0_to_1(share: float) -> None:
    with pytest.raises(ArgumentError, match="share must be from 0 to 1"):
        Faults(1).turn_on(Fault.DROP, share)


@pytest.mark.parametrize(("command", "error"), [("", "ERR x"), ("GET", ""), ("GET", "ERR x\r\n+OK")])
def test_an_answer_is_one_line_for_a_name(command: str, error: str) -> None:
    with pytest.raises(ArgumentError, match="must be"):
        Faults(1).answer(command, error, 1.0)
