"""State directories with made-up contents: outboxes with a history, and an embedded store with figures."""

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from importer.metric_store import MetricWriter, labels_text
from importer.outbox import Lane, Outbox, Run
from importer.points import Labels, Payload

CARBON = "plain://carbon.example.org:2003"
INFLUXDB = "influxdb://influxdb.example.org:8086/metrics"
REASON = '400: field type conflict: input field "value" is type float, already exists as type integer'


INSTALLED_STORE = "sqlite:///var/lib/apteligent-importer/metrics.db"
"""What the embedded store is called in an outbox, wherever the test keeps it."""


ROOM = 250_000
"""How many bytes may wait for one destination."""


@dataclass(frozen=True)
class State:
    """A state directory."""

    directory: Path

    @property
    def store(self) -> Path:
        """The embedded store; it need not be there."""
        return self.directory / "metrics.db"

    def record(
        self, command: str, at: float, *, exit_code: int = 0, points: int = 270, message: str = "", lane: str = CARBON
    ) -> None:
        """Add a run that began at a time, in seconds since 1970 UTC, and took two seconds."""
        with Outbox(self._outbox(command), clock=lambda: at) as outbox:
            outbox.configure([Lane(lane, "graphite")])
            outbox.record_run(Run(at, at + 2, exit_code, points, at - 60, message))

    def record_many(self, command: str, starts: Iterable[float], *, lanes: Iterable[str], points: int) -> None:
        """Add successful runs, with points around a number."""
        chance = random.Random(command)
        with Outbox(self._outbox(command)) as outbox:
            outbox.configure([Lane(lane, "graphite", ROOM) for lane in lanes])
            for at in starts:
                took = points / 2000 + chance.random()
                brought = max(1, int(points * chance.gauss(1, 0.12)))
                outbox.record_run(Run(at, at + took, 0, brought, at - 12, ""))

    def keep(
        self, command: str, *payloads: bytes, at: float, lane: str = CARBON, problem: str = "", points: int = 3
    ) -> None:
        """Let payloads wait since a time."""
        with Outbox(self._outbox(command), clock=lambda: at) as outbox:
            with outbox.transaction() as transaction:
                transaction.add(lane, [Payload(data, points) for data in payloads])
            if problem:
                outbox.note_problem(lane, problem)

    def reject(self, command: str, *, at: float, lane: str = CARBON, reason: str = REASON) -> None:
        """Set one payload aside."""
        self.keep(command, b"bad", at=at - 5, lane=lane)
        with Outbox(self._outbox(command), clock=lambda: at) as outbox:
            stored = outbox.oldest(lane)
            assert stored is not None
            outbox.reject(stored, reason)

    def write(self, name: str, points: Iterable[tuple[float, float]], labels: Labels = ()) -> None:
        """Keep (seconds since 1970 UTC, value) of a series."""
        text = labels_text(labels)
        with MetricWriter(self.store) as writer:
            writer.write((name, text, timestamp, value) for timestamp, value in points)

    def _outbox(self, command: str) -> Path:
        return self.directory / f"{command}.outbox"


def fill(state: State, *, now: float) -> None:
    """Write a week of a small shop: six commands that work, and their figures."""
    five, ten, quarter, day = 300, 600, 900, 86400
    for command, every, points in (
        ("livestats", five, 270),
        ("groupedby", ten, 75),
        ("servicestats", quarter, 30),
        ("dailyjobs", day, 23),
        ("leexportpy", five, 12),
        ("pp-collector", 3600, 24),
    ):
        last = now - (now % every) - (every if now % every < 20 else 0) + 4
        lanes = [INSTALLED_STORE, *([CARBON] if command in {"livestats", "dailyjobs"} else [])]
        state.record_many(command, [last - every * back for back in range(29, -1, -1)], lanes=lanes, points=points)
    week = int(now) - 7 * day
    for number, app in enumerate(("Bazaar_India", "Bike_Shop", "Tweedehands_NL")):
        base = 180 * (number + 1)
        state.write(f"apteligent.{app}.live.appLoads", _wave(week, int(now), 300, base, seed=number))
        state.write(f"apteligent.{app}.live.crashes", _rare(week, int(now), 900, seed=number))
        daily = (
            (week + at * day, base * 210 * (1 + 0.004 * at + 0.16 * math.sin(at * 2 * math.pi / 7 + number)))
            for at in range(-21, 8)
        )
        state.write(f"apteligent.{app}.daily.dau", ((at - at % day, int(value)) for at, value in daily))
    for number, code in enumerate(("200", "301", "404", "500")):
        level = (2400, 140, 90, 18)[number]
        state.write("shop.web.requests", _wave(week, int(now), 300, level, seed=number + 9), (("code", code),))
    for number, host in enumerate(("api.shop.example", "img.shop.example", "pay.shop.example")):
        points = _wave(week, int(now), 900, 120 + 70 * number, seed=number + 20)
        state.write("shop.services.latency_ms", points, (("host", host),))
    for phase in ("triggered", "acknowledged", "resolved"):
        state.write("oncall_incidents", _rare(week, int(now), 3600, seed=len(phase)), (("phase", phase),))


def break_down(state: State, *, now: float) -> None:
    """Let things go wrong in `fill`'s state: a store is away, a run has failed, a payload was rejected."""
    waiting = [b"x" * 9000] * 7
    state.keep("livestats", *waiting, at=now - 2000, problem="connection refused (carbon.example.org:2003)", points=270)
    state.record(
        "groupedby",
        now - 95,
        exit_code=1,
        points=0,
        lane=INSTALLED_STORE,
        message=("Apteligent: 401 Unauthorized at /v1.0/token: mend username, password or clientID of apteligent.json"),
    )
    state.reject("leexportpy", at=now - 5400, lane=INSTALLED_STORE)


def _wave(start: int, end: int, step: int, level: float, *, seed: int) -> Iterable[tuple[float, float]]:
    chance = random.Random(seed)
    for at in range(start - start % step, end, step):
        daytime = 1 + 0.55 * math.sin((at % 86400) / 86400 * 2 * math.pi - 1.9) + 0.12 * math.sin(at / 5000 + seed)
        yield at, max(0, round(level * daytime * chance.gauss(1, 0.06)))


def _rare(start: int, end: int, step: int, *, seed: int) -> Iterable[tuple[float, float]]:
    chance = random.Random(seed)
    for at in range(start - start % step, end, step):
        yield at, chance.choices((0, 1, 2, 5, 9), (70, 15, 8, 4, 1))[0]
