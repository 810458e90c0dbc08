"""A service makes its cycles by the clock, goes on with the old configuration where the new one is wrong, and stops."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from importer.errors import BadAnswer, ConfigError, ExitCode, OutboxError, Problem
from importer.job import Job
from importer.loop import Running, Service, run_once
from importer.outbox import Outbox
from importer.schedule import ClockSchedule, Entry
from importer.service import Notifier, Signals
from importer.sources.base import Missing, Source
from tests.doubles import WAIT_SECONDS, MemorySink, ScriptedSource, day_batch

BEGIN = 3600.0 * 1000 + 59
"""A second before the first full minute of an hour."""
SCHEDULE = ClockSchedule((Entry("even", range(0, 60, 2)), Entry("ten", range(0, 60, 10))))


class SteppingClock:
    """Gives these times one after the other, and the last of them for ever."""

    def __init__(self, *times: float) -> None:
        self._times = list(times)

    def __call__(self) -> float:
        return self._times.pop(0) if len(self._times) > 1 else self._times[0]


@dataclass
class ScriptedPlan:
    """Notes what was due, and gives sources that were prepared."""

    sources: list[Source] = field(default_factory=list)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    schedule: ClockSchedule[str] = SCHEDULE

    def once(self) -> Sequence[Source]:
        return self.sources

    def due(self, names: Sequence[str]) -> Sequence[Source]:
        self.asked.append(tuple(names))
        return self.sources


class RecordingNotifier(Notifier):
    """Keeps what systemd would be told."""

    def __init__(self) -> None:
        super().__init__({})
        self.told: list[str] = []

    def ready(self) -> None:
        self.told.append("ready")

    def reloading(self) -> None:
        self.told.append("reloading")

    def stopping(self) -> None:
        self.told.append("stopping")

    def status(self, text: str) -> None:
        self.told.append(text)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "test.outbox") as opened:
        yield opened


@dataclass
class World:
    """A service, and all that it sees."""

    outbox: Outbox
    plan: ScriptedPlan = field(default_factory=ScriptedPlan)
    sink: MemorySink = field(default_factory=MemorySink)
    signals: Signals = field(default_factory=Signals)
    notifier: RecordingNotifier = field(default_factory=RecordingNotifier)
    clock: SteppingClock = field(default_factory=lambda: SteppingClock(BEGIN))
    wrong: Exception | None = None
    built: int = 0
    left: int = 0

    @contextmanager
    def build(self) -> Iterator[Running]:
        if self.wrong is not None:
            raise self.wrong
        self.built += 1
        yield Running(self.plan, Job("test", outbox=self.outbox, sinks=[self.sink], stop=self.signals.stop))
        self.left += 1

    def run(self) -> ExitCode:
        return Service(self.build, self.signals, notifier=self.notifier, clock=self.clock).run()

    def stop(self) -> None:
        self.signals.stop.set()
        self.signals.wake.set()

    def reload(self) -> None:
        self.signals.reload.set()
        self.signals.wake.set()


@pytest.fixture
def world(outbox: Outbox) -> World:
    return World(outbox)


def start_due(world: World) -> None:
    """Have a cycle due as soon as the service looks at the clock for the second time."""
    world.clock = SteppingClock(BEGIN, BEGIN + 120)


def test_what_is_due_is_asked_and_delivered_until_a_stop(world: World) -> None:
    world.plan.sources = [ScriptedSource(day_batch(1), day_batch(2), world.stop)]
    start_due(world)
    assert world.run() is ExitCode.OK
    assert world.plan.asked == [("even",)]
    assert world.notifier.told[0] == "ready"
    assert world.notifier.told[-2:] == ["last cycle: 2 points", "stopping"]
    assert world.outbox.cursors() == {"daily/dau": 2}
    assert (world.built, world.left) == (1, 1)


def test_minutes_that_were_slept_through_are_made_up_for_once(world: World) -> None:
    world.plan.sources = [ScriptedSource(world.stop)]
    world.clock = SteppingClock(BEGIN, BEGIN + 2 * 3600)
    assert world.run() is ExitCode.OK
    assert world.plan.asked == [("even", "ten")]


def test_failures_of_a_cycle_are_one_line_in_the_log_and_in_the_status(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    missing = [Missing(f"thing {number}", BadAnswer("vendor", "nonsense")) for number in range(3)]
    world.plan.sources = [ScriptedSource(*missing, world.stop)]
    start_due(world)
    assert world.run() is ExitCode.OK
    line = "not obtained: thing 0: vendor: nonsense (and 2 more, see the log)"
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [f"test: {line}"]
    assert f"last cycle: 0 points, {line}" in world.notifier.told


def test_a_bug_in_a_cycle_does_not_end_the_service(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.plan.sources = [ScriptedSource(world.stop, ZeroDivisionError("a bug"))]
    start_due(world)
    assert world.run() is ExitCode.OK
    assert "cycle failed: command=test due=even" in caplog.text


def test_a_wrong_configuration_at_the_start_ends_the_service(world: World) -> None:
    world.wrong = ConfigError(Problem("some.json", "is wrong"))
    with pytest.raises(ConfigError):
        world.run()
    assert world.notifier.told == []


def test_a_reload_builds_everything_anew_and_gives_the_old_back(world: World) -> None:
    serve_through_reload(world)
    assert world.notifier.told == ["ready", "reloading", "ready", "stopping"]
    assert (world.built, world.left) == (2, 2)


@pytest.mark.parametrize(
    "wrong", [ConfigError(Problem("some.json", "is wrong")), OutboxError("test.outbox", "disk full")]
)
def test_a_reload_that_fails_keeps_the_old_configuration_and_says_so(
    wrong: Exception, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    serve_through_reload(world, wrong)
    assert world.notifier.told == ["ready", "reloading", "ready", "stopping"]
    assert (world.built, world.left) == (1, 1)
    assert f"configuration not read again, the old one is kept: {wrong}" in caplog.text


def serve_through_reload(world: World, wrong: Exception | None = None) -> None:
    """Let the service start, reload, and stop when it has."""
    first_ready, second_ready = threading.Event(), threading.Event()
    steps = iter((first_ready, second_ready))

    class Signalling(RecordingNotifier):
        def ready(self) -> None:
            super().ready()
            next(steps).set()

    world.notifier = Signalling()
    thread = threading.Thread(target=world.run)
    thread.start()
    assert first_ready.wait(WAIT_SECONDS)
    world.wrong = wrong
    world.reload()
    assert second_ready.wait(WAIT_SECONDS)
    world.stop()
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()


def test_a_stop_before_the_first_cycle_asks_nothing(world: World) -> None:
    world.stop()
    assert world.run() is ExitCode.OK
    assert world.plan.asked == []


def test_one_cycle_returns_its_code_and_says_what_failed(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    plan = ScriptedPlan([ScriptedSource(day_batch(1), Missing("thing", BadAnswer("vendor", "nonsense")))])
    sink = MemorySink()
    running = Running(plan, Job("test", outbox=outbox, sinks=[sink], stop=threading.Event()))
    ticked: list[int] = []
    assert run_once(running, progress=lambda: ticked.append(1)) is ExitCode.FAILED
    assert len(sink.points) == 1
    assert len(ticked) == 2
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "test: not obtained: thing: vendor: nonsense"
    ]


def test_one_cycle_without_failures_says_nothing(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    running = Running(
        ScriptedPlan([ScriptedSource(day_batch(1))]),
        Job("test", outbox=outbox, sinks=[MemorySink()], stop=threading.Event()),
    )
    assert run_once(running, progress=lambda: None) is ExitCode.OK
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


class WatchedNotifier(RecordingNotifier):
    """As under a watchdog of two milliseconds; counts the beats."""

    def __init__(self) -> None:
        super().__init__()
        self.watchdog_interval_seconds = 0.001
        self.beats = threading.Semaphore(0)

    def beat(self) -> None:
        self.beats.release()


def test_the_watchdog_is_fed_while_a_cycle_waits_for_an_answer(world: World) -> None:
    notifier = WatchedNotifier()

    def wait_for_beats() -> None:
        assert all(notifier.beats.acquire(timeout=WAIT_SECONDS) for _ in range(20))

    world.notifier = notifier
    world.plan.sources = [ScriptedSource(wait_for_beats, day_batch(1), world.stop)]
    start_due(world)
    assert world.run() is ExitCode.OK
    assert "last cycle: 1 points" in notifier.told


def test_a_cycle_that_is_silent_for_too_long_starves_the_watchdog(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.loop.LONGEST_SILENCE_SECONDS", -1.0)
    notifier = WatchedNotifier()
    before_cycle = []

    def drain() -> None:
        before_cycle.append(notifier.beats.acquire(timeout=WAIT_SECONDS))  # of the wait for the minute
        assert not notifier.beats.acquire(timeout=0.2)

    world.notifier = notifier
    world.plan.sources = [ScriptedSource(drain, world.stop)]
    start_due(world)
    world.run()
    assert before_cycle == [True]


def test_a_minute_that_falls_due_during_a_reload_is_not_lost(world: World) -> None:
    world.plan.sources = [ScriptedSource(world.stop)]
    now, build = [BEGIN], world.build

    @contextmanager
    def slow_build() -> Iterator[Running]:
        with build() as running:
            if world.built == 1:
                world.reload()
            else:
                now[0] = BEGIN + 62  # the second minute begins while the configuration is read
            yield running

    service = Service(slow_build, world.signals, notifier=world.notifier, clock=lambda: now[0])
    assert service.run() is ExitCode.OK
    assert world.plan.asked == [("even",)]
