"""stats-service under a load, life after life: what is killed, what becomes of its store meanwhile, and when."""

import os
import random
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from importer.outbox_view import OutboxView
from tests.end_to_end.small_disk import InfluxdbOnSmallDisk
from tests.end_to_end.stats_load import Load
from tests.events.service.service_site import Log, Site
from tests.servers import Influxdb
from tests.servers.process import wait_until

WAIT_SECONDS = 60.0
STOP_SECONDS = 10.0
VICTIMS = ("supervisor", "worker", "keeper", "group")
LOGGING = """
[loggers]
keys = root, supervisor
[handlers]
keys = stderr
[formatters]
keys =
[logger_root]
level = INFO
handlers = stderr
[logger_supervisor]
level = DEBUG
qualname = importer.events.service.supervisor
handlers =
[handler_stderr]
class = StreamHandler
args = (sys.stderr,)
"""
"""So that the service tells which process is what."""
_STARTED = r"process started: role={role} pid=(\d+)"
_DIED = re.compile(r"process died: role=\S+ pid=(\d+) code=(-?\d+)")

Action = Callable[[], None]


@dataclass
class Life:
    """One supervisor and all that it started."""

    process: Popen[str]
    log: Log
    killed: set[int] = field(default_factory=set)

    @property
    def children(self) -> list[int]:
        """The ids of the processes that run now, beside the supervisor."""
        parent = self.process.pid
        return list(map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split()))

    def newest(self, role: str) -> int:
        """Wait until the process of a role that was started last is one that runs; return its id."""

        def running() -> int | None:
            started = re.findall(_STARTED.format(role=role), self.log.text)
            return next((int(pid) for pid in started[-1:] if int(pid) in self._untouched()), None)

        return wait_until(running, lambda: self.log.text[-2000:], deadline_seconds=WAIT_SECONDS)

    def kill(self, *pids: int) -> None:
        """Kill the supervisor, or children of its."""
        for pid in pids:
            self.killed.add(pid)
            with suppress(ProcessLookupError):  # it has ended by itself, as its supervisor was killed
                os.kill(pid, signal.SIGKILL)

    def _untouched(self) -> set[int]:
        return set(self.children) - self.killed

    def deaths(self) -> list[str]:
        """Return which processes died that were not killed."""
        return [match[0] for match in _DIED.finditer(self.log.text) if int(match[1]) not in self.killed]


class Lives:
    """A service that starts again whenever it was killed. As a context manager it runs within the block."""

    def __init__(self, site: Site, load: Load, chance: random.Random) -> None:
        self.kills: Counter[str] = Counter()
        self.lives: list[Life] = []
        self.site = site
        self._load = load
        self._chance = chance
        self._stack = ExitStack()

    def __enter__(self) -> "Lives":
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def life(self) -> Life:
        """The one that runs now."""
        return self.lives[-1]

    def kill(self, victim: str) -> None:
        """Kill a process, or all at once in whatever order, and let the service be whole again."""
        self.kills[victim] += 1
        if victim in ("worker", "keeper"):
            self.life.kill(self.life.newest(victim))
            return
        self._load.serving.clear()
        pids = [self.life.process.pid, *(self.life.children if victim == "group" else ())]
        self._chance.shuffle(pids)
        self.life.kill(*pids)
        self.life.process.wait(WAIT_SECONDS)
        self._begin()

    def reload(self) -> None:
        """Let the service start its processes anew, beside those that are at work."""
        self.life.process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End the service in good order, and look whether any of its processes died that was not killed."""
        self.life.process.terminate()
        assert self.life.process.wait(STOP_SECONDS) == 0
        deaths = [death for life in self.lives for death in life.deaths()]
        assert deaths == []
        assert not any("Traceback" in life.log.text for life in self.lives)

    def _begin(self) -> None:
        process, log = self._stack.enter_context(self.site.launched())
        log.wait_for("serving: ")
        self.lives.append(Life(process, log))
        self._load.serving.set()


def wait_until_delivered(site: Site, log: Log) -> None:
    """Wait until nothing waits for the store, for as long as that grows less, and none was set aside."""
    with OutboxView.open(site.outbox) as outbox:

        def waiting() -> int:
            return sum(state.payloads for state in outbox.lanes())

        before = waiting()
        while before:
            wait_until(
                lambda before=before: waiting() < before,
                lambda: f"{outbox.lanes()} {log.text[-2000:]}",
                deadline_seconds=WAIT_SECONDS,
            )
            before = waiting()
        assert outbox.rejects() == []


class Outages:
    """What happens to a real InfluxDB, one outage after the other."""

    def __init__(self, influxdb: Influxdb) -> None:
        self.seen: Counter[str] = Counter()
        self._influxdb = influxdb

    @property
    def kinds(self) -> list[str]:
        on_disk = isinstance(self._influxdb, InfluxdbOnSmallDisk)
        return ["stopped", "killed", "paused", *(["full"] if on_disk else [])]

    def begin(self, kind: str) -> None:
        self.seen[kind] += 1
        if kind == "full":
            assert isinstance(self._influxdb, InfluxdbOnSmallDisk)
            self._influxdb.fill()
        else:
            {"stopped": self._influxdb.stop, "killed": self._influxdb.kill, "paused": self._influxdb.pause}[kind]()

    def end(self, kind: str) -> None:
        """Let it be well again; one whose disk was full refuses everything until it is started again (1.6.7)."""
        if kind == "paused":
            self._influxdb.resume()
            return
        if kind == "full":
            assert isinstance(self._influxdb, InfluxdbOnSmallDisk)
            self._influxdb.free()
            self._influxdb.kill()
        if kind != "stopped":
            mend(self._influxdb)
        self._influxdb.start()


def mend(influxdb: Influxdb) -> None:
    """Let an influxd that was killed cut off what it had half written, and end before anybody writes to it.

    What it gets at that start goes behind the end that its log had before, and at the next start all of it is cut off:
    the file is mended while it is open for writing, at the old place (1.6.7, recorded 2026-11-28).
    """
    port, ports = influxdb.http_port, influxdb.ports[:]
    influxdb.ports.remove(port)
    influxdb.http_port = influxdb.claim_port()
    influxdb.start()
    influxdb.stop()
    influxdb.http_port, influxdb.ports[:] = port, ports


def live_and_be_killed(lives: Lives, load: Load, outages: Outages, *, kills: int, chance: random.Random) -> None:
    """Kill at so many random moments of a load, let its store fail meanwhile, and return when all was delivered."""
    actions = [*_kills(lives, load, kills, chance), *_outages(outages, load, kills, chance)]
    for moment, action in sorted(actions, key=lambda pair: pair[0]):
        load.wait_for(moment)
        action()
    load.wait_for(load.events)
    wait_until_delivered(lives.site, lives.life.log)
    lives.stop()


def _kills(lives: Lives, load: Load, kills: int, chance: random.Random) -> Iterator[tuple[int, Action]]:
    """Yield which process is killed, each as often as any other, after how many answered events; and reloads."""
    victims = [VICTIMS[number % len(VICTIMS)] for number in range(kills)]
    chance.shuffle(victims)
    for victim in victims:
        yield chance.randrange(load.events * 95 // 100), lambda victim=victim: lives.kill(victim)
    for _ in range(kills // 5):
        yield chance.randrange(load.events * 95 // 100), lives.reload


def _outages(outages: Outages, load: Load, kills: int, chance: random.Random) -> Iterator[tuple[int, Action]]:
    kinds = outages.kinds * max(1, kills // 15)
    chance.shuffle(kinds)
    share = load.events // len(kinds)
    for number, kind in enumerate(kinds):
        first, last = number * share, (number + 1) * share - 1
        yield chance.randint(first, first + share // 3), lambda kind=kind: outages.begin(kind)
        yield chance.randint(first + share // 2, last), lambda kind=kind: outages.end(kind)
