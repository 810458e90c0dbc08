"""Killed at any instant, leexportpy pushes all that it had kept, and nothing that it was not told."""

import itertools
import random
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from subprocess import TimeoutExpired

import pytest

from importer.simulators.base import Answer, Exchange, Fault, HttpSimulator, Request, never
from importer.simulators.hosted_graphite import parse_lines
from tests.leexport.running import started
from tests.leexport.site import Site
from tests.running import WAIT_SECONDS, Running

NAMES = tuple(f"web.series{number}" for number in range(5))
POINTS = 3
FIRST_SECOND = 1_700_000_000
API_DOWN = Answer(400)
"""So that no search brings anything new; a 503 would be asked again for some seconds."""
LIFE_SECONDS = 4.0
"""How long a process may live that is to be killed at an event which does not come."""

Key = tuple[str, float]
Figures = dict[Key, float]
"""Values by name and time, by which the store overwrites them."""


class Answers:
    """A fault that answers each query with points of times that no other answer has, and remembers all of them.

    What must not be lost is known without a look into the outbox: a search asks again only once its last answer is
    kept. So that is true of all answers of a life but the last one of each search.
    """

    def __init__(self) -> None:
        self.offered: Figures = {}
        self.promised: set[Key] = set()
        self._last: dict[str, set[Key]] = {}
        self._firsts = itertools.count(FIRST_SECOND, POINTS)
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> None:
        """Answer a query."""
        figures = self._figures(_series_of(exchange.request))
        statistics = {
            "type": "count",
            "from": int(min(time for _, time in figures)) * 1000,
            "granularity": 1000,
            "timeseries": {"global_timeseries": [{"count": value} for value in figures.values()]},
        }
        exchange.send(Answer.json({"logs": [], "statistics": statistics}))

    def _figures(self, name: str) -> Figures:
        with self._lock:
            first = next(self._firsts)
            times = [float(second) for second in range(first, first + POINTS)]
            figures = {(name, time): NAMES.index(name) * 1000 + time % 997 for time in times}
            self.promised |= self._last.get(name, set())
            self._last[name] = set(figures)
            self.offered |= figures
            return figures

    def end_life(self) -> None:
        """Forget who was answered last: a process that has been killed may have kept it or not."""
        with self._lock:
            self._last.clear()


def _series_of(request: Request) -> str:
    """Return the name of the series that a query is for."""
    body = request.json()
    assert isinstance(body, dict)
    statement: str = body["leql"]["statement"]
    return statement.removeprefix("where(").removesuffix(") calculate(count)")


@dataclass(frozen=True, slots=True)
class World:
    """A site with a search for each of the series, each to be asked every second."""

    site: Site
    answers: Answers

    @property
    def stored(self) -> Figures:
        """What the store has."""
        return {(point.name, point.timestamp): point.value for point in self.site.graphite.points}

    def waiting(self) -> Figures:
        """Return the points in the outbox, read from a copy: looking must not mend what a killed process has left."""
        copies = self.site.commands.home / "copy"
        shutil.rmtree(copies, ignore_errors=True)
        copies.mkdir()
        for file in self.site.commands.state_dir.glob("leexportpy.outbox*"):
            if not file.name.endswith(("-shm", ".lock")):
                shutil.copy(file, copies)
        if not (copies / "leexportpy.outbox").exists():
            return {}
        with closing(sqlite3.connect(copies / "leexportpy.outbox")) as connection:
            rows = connection.execute("SELECT data FROM payloads ORDER BY id").fetchall()
        points = (point for (data,) in rows for point in parse_lines(data))
        return {(point.name, point.timestamp): point.value for point in points}

    def settle(self) -> None:
        """Return once the servers have read all that a process sent which is gone, and forget all faults."""
        for server in (self.site.api, self.site.graphite):
            server.wait_for_connections(0)
            server.heal()

    def end_in_peace(self) -> None:
        """Let what is kept be pushed, with an API that has nothing new, and the outbox be empty after it."""
        self.site.api.fail(API_DOWN, times=None)
        result = self.site.run("start", "-c", self.site.config, "--once")
        failures = result.stderr.splitlines()
        assert (result.code, len(failures)) == (1, len(NAMES))
        assert [line for line in failures if "HTTP 400" not in line] == []
        assert self.waiting() == {}


@pytest.fixture
def world(site: Site) -> World:
    for name in NAMES:
        site.series(name, statement=f"where({name}) calculate(count)", period=1)
    site.write()
    return World(site, Answers())


def wait_for_queries(world: World, count: int) -> None:
    """Return once each search has been answered so often and has asked once more: all answers but the last are kept."""
    world.site.api.wait_for(len(NAMES) * (count + 1))


# A kill between the answer and the push


def test_what_the_store_did_not_answer_before_the_kill_is_pushed_once_after_it(world: World) -> None:
    world.site.api.fail(world.answers, times=None)
    world.site.graphite.fail(never, times=None)
    with started(world.site) as service:
        wait_for_queries(world, 2)
        service.kill()
    world.settle()
    kept = world.waiting()
    assert kept.keys() >= world.answers.promised
    assert world.stored == {}
    world.site.api.fail(API_DOWN, times=None)
    with started(world.site) as service:
        world.site.graphite.wait_for_points(len(kept))
        service.stop()
    assert world.stored == kept
    assert len(world.site.graphite.points) == len(kept)
    assert world.waiting() == {}


def test_what_a_store_that_was_down_has_missed_comes_oldest_first_after_the_kill(world: World) -> None:
    world.site.api.fail(world.answers, times=None)
    world.site.graphite.fail(Answer(503), times=None)
    with started(world.site) as service:
        wait_for_queries(world, 3)
        service.kill()
    world.settle()
    kept = world.waiting()
    assert kept.keys() >= world.answers.promised
    world.end_in_peace()
    assert world.stored == kept
    assert len(world.site.graphite.points) == len(kept)
    for name in NAMES:
        times = [point.timestamp for point in world.site.graphite.points if point.name == name]
        assert times == sorted(times)


def test_what_the_store_took_without_a_chance_to_say_so_comes_again_and_is_the_same(world: World) -> None:
    def take_and_kill(exchange: Exchange) -> None:
        exchange.answer()
        service.process.kill()
        exchange.reset()

    world.site.api.fail(world.answers, times=None)
    world.site.graphite.fail(take_and_kill)
    with started(world.site) as service:
        service.process.wait(WAIT_SECONDS)
    world.settle()
    taken = world.stored
    kept = world.waiting()
    assert taken.items() <= kept.items()
    world.end_in_peace()
    assert world.stored == kept
    assert len(world.site.graphite.points) == len(kept) + len(taken)


# Kills at random


Kill = Callable[[], None]


def _at_request(server: HttpSimulator, number: int, fault: Fault) -> None:
    """Let the request of that number, from now on, meet a fault."""
    count = itertools.count(1)
    server.fail(fault, when=lambda _request: next(count) == number)


def _arm(world: World, chance: random.Random, kill: Kill) -> float:
    """Choose an instant, and let the process be killed at it; return after how many seconds it is to be otherwise."""

    def unanswered(exchange: Exchange) -> None:
        kill()
        exchange.reset()

    def answered(exchange: Exchange) -> None:
        world.answers(exchange)
        kill()

    def taken(exchange: Exchange) -> None:
        exchange.answer()
        kill()
        exchange.reset()

    def acknowledged(exchange: Exchange) -> None:
        exchange.proceed()
        kill()

    servers: list[tuple[HttpSimulator, Fault]] = [
        (world.site.api, unanswered),
        (world.site.api, answered),
        (world.site.graphite, unanswered),
        (world.site.graphite, taken),
        (world.site.graphite, acknowledged),
    ]
    if chance.random() < 0.3:
        return chance.uniform(0.1, LIFE_SECONDS / 2)
    server, fault = chance.choice(servers)
    _at_request(server, chance.randint(1, 3 * len(NAMES)), fault)
    return LIFE_SECONDS


def _take_and_break_off(exchange: Exchange) -> None:
    """Fault: take what was pushed, and let the client not know."""
    exchange.answer()
    exchange.reset()


STORES: dict[str, Fault | Answer | None] = {
    "up": None,
    "down": Answer(503),
    "hangs": never,
    "breaks off": _take_and_break_off,
}


def _live_and_be_killed(world: World, chance: random.Random) -> None:
    """Run the service, with a store in any state, until it is killed."""

    def kill() -> None:
        armed.wait(WAIT_SECONDS)
        victims[0].process.kill()

    armed = threading.Event()
    victims: list[Running] = []
    state = chance.choice([*STORES, "up", "up"])
    seconds = _arm(world, chance, kill)
    world.site.api.fail(world.answers, times=None)
    if (fault := STORES[state]) is not None:
        world.site.graphite.fail(fault, times=None)
    with started(world.site) as service:
        victims.append(service)
        armed.set()
        with suppress(TimeoutExpired):
            service.process.wait(seconds)
        ended = service.kill()
    assert ended.code < 0
    assert ended.stderr == []
    world.settle()
    world.answers.end_life()


def _live_often(world: World, *, seed: int, kills: int) -> None:
    chance = random.Random(seed)
    promised: set[Key] = set()
    for _ in range(kills):
        _live_and_be_killed(world, chance)
        promised |= world.waiting().keys()
    world.end_in_peace()
    promised |= world.answers.promised
    assert len(promised) > kills
    assert promised <= world.stored.keys()
    assert world.stored.items() <= world.answers.offered.items()


def test_killed_a_few_times_nothing_that_was_kept_is_lost(world: World) -> None:
    _live_often(world, seed=0, kills=4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_often_nothing_that_was_kept_is_lost(world: World, seed: int) -> None:
    _live_often(world, seed=seed, kills=20)
