"""When the next run is to be expected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.dashboard.expectation import MIN_INTERVALS, expected


def test_a_habit_is_continued() -> None:
    found = expected([10_000.0, 9_700.0, 9_400.0, 9_100.0])
    assert found is not None
    assert (found.interval_seconds, found.next_run) == (300, 10_300)


@pytest.mark.parametrize(
    "starts",
    [[], [1000.0], [1000.0, 700.0, 400.0], [1000.0, 995.0, 990.0, 985.0, 980.0], [9000.0, 8000.0, 7900.0, 3000.0, 0.0]],
    ids=["never", "once", "too few", "by hand", "as it comes"],
)
def test_runs_without_a_habit_let_nothing_expect(starts: list[float]) -> None:
    assert expected(starts) is None


def test_a_run_by_hand_between_regular_ones_does_not_hide_the_habit() -> None:
    regular = [100_000.0 - 300 * number for number in range(20)]
    found = expected(sorted([*regular, 99_990.0], reverse=True))
    assert found is not None
    assert found.interval_seconds == 300


def test_a_run_is_late_once_another_one_is_due_too() -> None:
    found = expected([10_000.0, 9_700.0, 9_400.0, 9_100.0])
    assert found is not None
    assert not found.is_late(10_650.0)
    assert found.is_late(10_661.0)


@given(st.integers(30, 10**6), st.integers(MIN_INTERVALS + 1, 30), st.floats(0, 1e9))
def test_a_clockwork_is_always_understood(interval: int, runs: int, last: float) -> None:
    found = expected([last - interval * number for number in range(runs)])
    assert found is not None
    assert found.interval_seconds == pytest.approx(interval, abs=0.01)
