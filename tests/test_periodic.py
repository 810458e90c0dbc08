"""Tasks start on time, side by side, never twice at once, and keep their times when others change."""

import logging
import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future

import pytest

from importer.parallel import DaemonExecutor
from importer.periodic import Periodic, Task
from tests.doubles import WAIT_SECONDS, FakeClock


class Later(Executor):
    """Runs what was submitted when the test says so."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def submit(self, fn: Callable[..., object], /, *args: object, **kwargs: object) -> Future[object]:  # type: ignore[override]
        self.calls.append(lambda: fn(*args, **kwargs))
        return Future()

    def run_all(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class World:
    """Tasks whose runs are noted, on a clock that the test moves; the first task starts at second 100."""

    def __init__(self) -> None:
        self.clock = FakeClock(100.0)
        self.executor = Later()
        self.wakes = 0
        self.runs: list[tuple[str, float]] = []
        self.periodic = Periodic(self.executor, wake=self._wake, clock=self.clock, spacing_seconds=0.0)

    def task(self, name: str, period_seconds: float = 10.0, definition: object = None) -> Task:
        return Task(name, period_seconds, definition, lambda: self.runs.append((name, self.clock.now)))

    def at(self, now: float) -> float:
        """Let it be now; start and finish what is due. Returns for how long nothing will be."""
        self.clock.now = now
        pause = self.periodic.start_due()
        self.executor.run_all()
        return pause

    def _wake(self) -> None:
        self.wakes += 1


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def pool() -> Iterator[Executor]:
    with DaemonExecutor(name="test") as pool:
        yield pool


def test_a_task_starts_at_once_and_then_every_period(world: World) -> None:
    world.periodic.replace([world.task("a")])
    assert world.at(100.0) == 10.0
    assert world.at(109.0) == 1.0
    world.at(110.0)
    world.at(120.5)
    assert world.runs == [("a", 100.0), ("a", 110.0), ("a", 120.5)]


def test_a_late_start_moves_no_later_one(world: World) -> None:
    world.periodic.replace([world.task("a")])
    world.at(100.0)
    assert world.at(113.0) == 7.0


def test_starts_that_were_missed_are_not_made_up_for(world: World) -> None:
    world.periodic.replace([world.task("a")])
    world.at(100.0)
    assert world.at(155.0) == 5.0
    assert world.runs == [("a", 100.0), ("a", 155.0)]


def test_without_tasks_nothing_will_ever_be_due(world: World) -> None:
    assert world.at(100.0) == math.inf


def test_first_starts_are_spaced_out() -> None:
    world = World()
    periodic = Periodic(world.executor, wake=lambda: None, clock=world.clock, spacing_seconds=0.25)
    periodic.replace([world.task(name) for name in "abc"])
    assert periodic.start_due() == 0.25
    world.clock.now = 100.5
    periodic.start_due()
    assert len(world.executor.calls) == 3


def test_a_start_is_left_out_while_the_last_run_goes_on(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world.periodic.replace([world.task("a")])
    world.periodic.start_due()
    world.clock.now = 110.0
    assert world.periodic.start_due() == 10.0
    assert len(world.executor.calls) == 1
    assert "task=a" in caplog.text
    world.executor.run_all()
    world.at(120.0)
    assert world.runs == [("a", 110.0), ("a", 120.0)]


def test_a_slow_task_holds_up_no_other(pool: Executor) -> None:
    """Real threads: the second task has to run while the first one hangs."""
    hanging, other = threading.Event(), threading.Event()
    periodic = Periodic(pool, wake=lambda: None, clock=FakeClock(), spacing_seconds=0.0)
    periodic.replace(
        [Task("a", 10.0, None, lambda: hanging.wait(WAIT_SECONDS) or None), Task("b", 10.0, None, other.set)]
    )
    periodic.start_due()
    assert other.wait(WAIT_SECONDS)
    hanging.set()


def test_a_task_that_fails_runs_again_and_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        world.runs.append(("a", world.clock.now))
        raise ZeroDivisionError

    world.periodic.replace([Task("a", 10.0, None, fail)])
    world.at(100.0)
    world.at(110.0)
    assert len(world.runs) == 2
    assert [record.getMessage() for record in caplog.records] == ["run failed: task=a"] * 2


def test_unchanged_tasks_keep_their_times_and_run_what_is_new(world: World) -> None:
    world.periodic.replace([world.task("a", definition=(1, 2)), world.task("b")])
    world.at(100.0)
    world.clock.now = 105.0
    renewed: list[float] = []
    world.periodic.replace([Task("a", 10.0, (1, 2), lambda: renewed.append(world.clock.now)), world.task("c")])
    world.at(105.0)
    world.at(110.0)
    assert world.runs == [("a", 100.0), ("b", 100.0), ("c", 105.0)]
    assert renewed == [110.0]


@pytest.mark.parametrize(("period", "definition"), [(20.0, None), (10.0, "other")])
def test_a_changed_task_starts_at_once(world: World, period: float, definition: object) -> None:
    world.periodic.replace([world.task("a")])
    world.at(100.0)
    world.clock.now = 103.0
    world.periodic.replace([world.task("a", period, definition)])
    assert world.at(103.0) == period
    assert world.runs == [("a", 100.0), ("a", 103.0)]


def test_a_changed_task_waits_for_the_run_of_the_former_one(world: World) -> None:
    world.periodic.replace([world.task("a")])
    world.periodic.start_due()
    world.periodic.replace([world.task("a", definition="other")])
    world.clock.now = 103.0
    assert world.periodic.start_due() == math.inf
    assert (len(world.executor.calls), world.wakes) == (1, 0)
    world.executor.run_all()
    assert world.wakes == 1
    world.at(104.0)
    assert world.runs == [("a", 103.0), ("a", 104.0)]


def test_a_task_that_is_gone_is_started_no_more(world: World) -> None:
    world.periodic.replace([world.task("a")])
    world.at(100.0)
    world.periodic.replace([])
    assert world.at(110.0) == math.inf
    assert world.runs == [("a", 100.0)]
