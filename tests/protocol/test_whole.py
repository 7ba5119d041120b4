"""The whole protocol in every order: nothing is too old with all rules, and something is without any one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from .checker import Outcome, breaks, explore
from .whole import Change, Event, Found, Rules, whole

CHANGES: tuple[Change, ...] = get_args(Change)
FOUND: tuple[Found, ...] = get_args(Found)
EVERYTHING: tuple[Event, ...] = get_args(Event)
ONE_PROCESS, TWO_PROCESSES, THREE_CALLERS = (0, 0), (0, 1), (0, 0, 1)


def assert_kept(found: Outcome, states: int) -> None:
    assert (found.violations, found.stuck) == (0, 0), found.trace
    assert found.states > states


@pytest.mark.parametrize("homes", [ONE_PROCESS, TWO_PROCESSES])
@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize("change", CHANGES)
def test_nobody_gets_what_a_change_that_had_returned_made_old(
    change: Change, found: Found, homes: tuple[int, ...]
) -> None:
    outcome = explore(whole(change, found, homes))
    assert_kept(outcome, 350)
    assert outcome.most == 1 or homes == TWO_PROCESSES, "one process loads once at a time"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("homes", [ONE_PROCESS, TWO_PROCESSES])
@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize("change", CHANGES)
def test_nor_when_key_lease_claim_and_tag_may_be_lost(change: Change, found: Found, homes: tuple[int, ...]) -> None:
    assert_kept(explore(whole(change, found, homes, forgets=EVERYTHING)), 4_500)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize("change", CHANGES)
def test_nor_among_two_callers_of_one_process_and_one_of_another(change: Change, found: Found) -> None:
    assert_kept(explore(whole(change, found, THREE_CALLERS)), 5_000)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize("change", CHANGES)
def test_nor_when_the_row_changes_twice(change: Change, found: Found) -> None:
    assert_kept(explore(whole(change, found, TWO_PROCESSES, rounds=2)), 4_000)


@pytest.mark.parametrize(
    ("rule", "change", "found"),
    [
        ("compares", "delete", "absent"),
        ("compares", "delete", "tag-dead"),
        ("compares", "mark_stale", "stale"),
        ("captures_first", "invalidate_tags", "absent"),
        ("captures_first", "invalidate_tags", "stale"),
        ("judges_tags", "invalidate_tags", "fresh"),
        ("new_nonce", "mark_stale", "stale"),
        *(("verdict", change, "absent") for change in CHANGES),
        *(("shares_unsent_reads", change, "fresh") for change in CHANGES),
        *(("shares_unsent_stores", change, "absent") for change in CHANGES),
    ],
)
def test_without_one_of_the_rules_somebody_does(rule: str, change: Change, found: Found) -> None:
    rules = replace(Rules(), **{rule: False})
    assert breaks(whole(change, found, ONE_PROCESS, rules=rules))


@pytest.mark.parametrize("change", CHANGES)
def test_a_claim_that_is_not_confirmed_makes_nothing_old(change: Change) -> None:
    assert_kept(explore(whole(change, "stale", TWO_PROCESSES, rules=Rules(confirms=False))), 1_000)


def test_all_that_can_happen_does() -> None:
    steps = explore(whole("delete", "stale", TWO_PROCESSES, forgets=("claim",))).steps
    steps |= explore(whole("delete", "absent", ONE_PROCESS)).steps
    assert {
        "A0 hits row 1",
        "A1 joins (unsent)",
        "A1 joins (reading)",
        "A1 joins (preparing)",
        "A1 joins (loading)",
        "A1 joins (storing)",
        "A0 waits for the lease",
        "A0 waits for the claim",
        "A0 wakes",
        "A0 finds another entry",
        "A0 claims",
        "A0 confirms not",
        "A0 stores",
        "A0 is refused",
        "claim is lost",
    } - steps == set()


def test_two_processes_load_at_once_only_if_the_key_was_deleted() -> None:
    assert explore(whole("invalidate_tags", "absent", TWO_PROCESSES)).most == 1
    assert explore(whole("invalidate_tags", "stale", TWO_PROCESSES)).most == 1
    assert explore(whole("delete", "absent", TWO_PROCESSES)).most == 2
