from __future__ import annotations

import pytest
from benchmarks.timing import calibrated, in_tasks, per_second, seconds_each


class Machine:
    """Takes `each` seconds for an operation, without spending them."""

    def __init__(self, each: float) -> None:
        self._each = each
        self.runs: list[int] = []

    async def run(self, operations: int) -> float:
        self.runs.append(operations)
        return operations * self._each


@pytest.mark.parametrize(("each", "expected"), [(1e-6, 200_000), (1e-3, 200), (0.5, 3)])
async def test_a_measurement_lasts_as_long_as_asked_whoever_is_measured(each: float, expected: int) -> None:
    assert await calibrated(Machine(each).run, 0.2, least=3) == expected


async def test_calibration_does_not_overshoot_on_its_way() -> None:
    machine = Machine(1e-4)
    await calibrated(machine.run, 0.2)
    assert max(machine.runs) * 1e-4 <= 0.2


async def test_a_trial_that_something_held_up_is_made_again() -> None:
    machine = Machine(1e-4)
    held_up = iter([0.0, 0.0, 1.0])

    async def run(operations: int) -> float:
        return await machine.run(operations) + next(held_up, 0.0)

    assert await calibrated(run, 0.2) == 2_000


async def test_speed_and_cost_are_those_of_one_operation() -> None:
    machine = Machine(1e-3)
    assert await (await per_second(machine.run, 0.2))() == pytest.approx(1_000)
    assert await (await seconds_each(machine.run, 0.2))() == pytest.approx(1e-3)


async def test_tasks_share_the_operations_and_start_at_different_places() -> None:
    asked: list[int] = []

    async def operation(number: int) -> None:
        asked.append(number)

    await in_tasks(operation, 4)(20)
    assert sorted(asked) == sorted([*range(5), *range(7, 12), *range(14, 19), *range(21, 26)])
