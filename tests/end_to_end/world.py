"""The world around a command: the vendor, a store that can be taken away, directories of its own, and a judge."""

import json
import pickle
import shutil
import socket
import sqlite3
import struct
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from types import TracebackType
from typing import Self

from importer.simulators import graphite
from importer.simulators.apteligent import CLIENT_ID, PASSWORD, USERNAME, ApteligentSimulator
from importer.simulators.graphite import GraphiteReceiver, ReceivedConnection, ReceivedPoint
from tests.commands import Commands, Result, isolated_environment
from tests.end_to_end import children, figures
from tests.end_to_end.figures import Figures, Key

WAIT_SECONDS = 60.0
"""How long anything may take that ought to happen at once; a test fails when that is over."""
PROBE = "probe"
_PICKLED_PROBE = pickle.dumps([(PROBE, (1, 1.0))], protocol=2)
_PROBES = {
    "plain": f"{PROBE} 1 1\n".encode(),
    "pickle": struct.pack(">I", len(_PICKLED_PROBE)) + _PICKLED_PROBE,
}
COMMANDS = ("dailyjobs", "livestats", "groupedby", "servicestats")
MAX_BUFFER = 10
"""Points in a payload: so few that each cycle makes several."""


class Store(AbstractContextManager["Store"]):
    """A carbon of ours on one port for the whole test; while it is down, connections to the port are refused."""

    def __init__(self, protocol: graphite.Protocol = "plain") -> None:
        # Bound but not listening: the port refuses connections and nobody else can be given it.
        self._reservation = socket.socket()
        self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reservation.bind(("127.0.0.1", 0))
        self.port: int = self._reservation.getsockname()[1]
        self.receiver = GraphiteReceiver(protocol, port=self.port)
        self.is_up = False
        self.excused: set[ReceivedConnection] = set()
        """Connections whose points may rightly come again: their sender died before it could know of the end."""

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()
        self._reservation.close()

    def up(self, mode: graphite.Mode = graphite.normal) -> None:
        """Treat connections from now on as the mode says."""
        self.receiver.mode = mode
        if not self.is_up:
            self.receiver.start()
            self.is_up = True

    def down(self) -> None:
        """Refuse connections from now on; open ones end."""
        self.receiver.stop()
        self.is_up = False

    def settle(self) -> tuple[ReceivedConnection, ...]:
        """Return all connections until now, once everything on them was read and they were closed."""
        if self.is_up:
            mode, self.receiver.mode = self.receiver.mode, graphite.normal
            before = sum(point.name == PROBE for point in self.receiver.points)
            with socket.create_connection(("127.0.0.1", self.port), WAIT_SECONDS) as probe:
                probe.sendall(_PROBES[self.receiver.protocol])
            self._wait(lambda: sum(point.name == PROBE for point in self.receiver.points) > before)
            self.receiver.mode = mode
        self._wait(lambda: all(connection.closed for connection in self.receiver.connections))
        return self.connections

    @property
    def connections(self) -> tuple[ReceivedConnection, ...]:
        """What senders opened, oldest first; without our own probes."""
        probed = (ReceivedPoint(PROBE, 1, 1),)
        return tuple(each for each in self.receiver.connections if each.points != probed)

    @property
    def points(self) -> Figures:
        """What carbon would hold: the last value of each name and time."""
        received = (point for connection in self.connections for point in connection.points)
        return {(name, int(timestamp)): value for name, timestamp, value in received}

    @property
    def sent(self) -> list[Key]:
        """Every point that came, as often as it came, in that order."""
        return [(point.name, int(point.timestamp)) for each in self.connections for point in each.points]

    def excuse_last(self, since: int) -> None:
        """Let the points of the last connection come again, if it is one of those since then."""
        self.excused.update(self.settle()[since:][-1:])

    def assert_each_sent_once(self) -> None:
        """Fail if a point came again although its connection was read to the end by both sides."""
        carriers: dict[Key, list[ReceivedConnection]] = defaultdict(list)
        for connection in self.settle():
            assert not connection.problems
            for point in connection.points:
                carriers[point.name, int(point.timestamp)].append(connection)
        for key, connections in carriers.items():
            for connection in connections[:-1]:
                assert connection in self.excused or not connection.ended, f"{key} came {len(connections)} times"

    def _wait(self, happened: Callable[[], bool]) -> None:
        self.receiver.wait_until(happened, timeout_seconds=WAIT_SECONDS)


@dataclass
class Clock:
    """The vendor's clock, which stands still unless a test moves it."""

    now: float

    def __call__(self) -> float:
        return self.now


class World(AbstractContextManager["World"]):
    """A vendor, a store, and the commands that are to bring the figures of the one to the other."""

    def __init__(self, home: Path, *, app_count: int = 3) -> None:
        self.started_at = time.time()
        self.clock = Clock(self.started_at // 600 * 600)
        self.apps = figures.noon_apps(self.clock.now, app_count)
        self.vendor = ApteligentSimulator(self.apps, clock=self.clock)
        self.store = Store()
        self.commands = Commands(home, isolated_environment(home, coverage=False))

    def __enter__(self) -> Self:
        self.vendor.__enter__()
        self.store.__enter__()
        self.write_config()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.__exit__(kind, error, trace)
        self.vendor.__exit__(kind, error, trace)

    # Configuration and files

    def destination(self, port: int | None = None, **keys: object) -> dict[str, object]:
        """Return the description of a graphite destination: the store, unless a port is given."""
        return {"host": "127.0.0.1", "port": port or self.store.port, "max_buffer": MAX_BUFFER, **keys}

    def write_config(self, *destinations: Mapping[str, object]) -> None:
        """Write all configuration files; without destinations for the store alone."""
        folder = self.commands.config_dir
        account = {
            "hostname": self.vendor.url,
            "username": USERNAME,
            "password": PASSWORD,
            "clientID": CLIENT_ID,
            "metric_root": figures.ROOT,
        }
        zones = {app.app_id: [app.name, app.offset_hours, app.country or "-"] for app in self.apps}
        (folder / "apteligent.json").write_text(json.dumps(account))
        (folder / "graphite.json").write_text(json.dumps(list(destinations) or self.destination()))
        (folder / "app_timezones.json").write_text(json.dumps(zones))
        (folder / "app.blacklist").touch()
        (folder / "services.whitelist").write_text("\n".join(figures.WHITELIST))
        (folder / "carrier.map").write_text(figures.CARRIER_MAP)

    def outbox_path(self, name: str) -> Path:
        """Return where a command keeps its outbox."""
        return self.commands.state_dir / f"{name}.outbox"

    def waiting(self, name: str) -> set[Key]:
        """Return the points that wait in a command's outbox, read from a copy while no command runs."""
        with self._copied_outbox(name) as connection:
            if connection is None:
                return set()
            payloads = connection.execute("SELECT data FROM payloads").fetchall()
        points = (point for (data,) in payloads for point in graphite.parse_plain(data).points)
        return {(point.name, int(point.timestamp)) for point in points}

    def cursors(self, name: str) -> dict[str, int]:
        """Return the cursors of a command, read from a copy while no command runs."""
        with self._copied_outbox(name) as connection:
            return {} if connection is None else dict(connection.execute("SELECT name, position FROM cursors"))

    @contextmanager
    def _copied_outbox(self, name: str) -> Iterator[sqlite3.Connection | None]:
        folder = self.commands.home / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        path = self.outbox_path(name)
        for file in (path, Path(f"{path}-wal")):
            if file.exists():
                shutil.copy(file, folder)
        if not (folder / path.name).exists():
            yield None
            return
        with closing(sqlite3.connect(folder / path.name)) as connection:
            yield connection

    # Running commands

    def run(self, name: str, *arguments: str, env: Mapping[str, str | None] | None = None) -> Result:
        """Make one cycle of a command, as a user does."""
        return self.commands.run(name, "-q", "--once", *arguments, env=env, timeout_seconds=WAIT_SECONDS)

    def run_well(self, name: str, *arguments: str) -> Result:
        """Make one cycle, which has to end with 0 and without a word."""
        result = self.run(name, *arguments)
        assert (result.code, result.stderr) == (0, ""), result
        return result

    def run_changed(
        self, change: Callable[..., None], *arguments: object, name: str, options: Iterable[str] = ()
    ) -> Result:
        """Make one cycle in a process that a function of `children` has changed before."""
        began = time.monotonic()
        done = subprocess.run(
            children.command_line(change, *arguments, name=name, options=["-q", "--once", *options]),
            env=self.commands.environment,
            cwd=self.commands.home,
            timeout=WAIT_SECONDS,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    @contextmanager
    def start_changed(
        self, change: Callable[..., None], *arguments: object, name: str, options: Iterable[str] = ()
    ) -> Iterator[Popen[str]]:
        """Start a command in a process that a function of `children` has changed before; it ends with the block."""
        with Popen(
            children.command_line(change, *arguments, name=name, options=["-q", *options]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            cwd=self.commands.home,
            env=self.commands.environment,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def start(self, name: str, *arguments: str, env: Mapping[str, str | None] | None = None) -> Iterator[Popen[str]]:
        """Start a command, which is ended with the block at the latest."""
        with self.commands.start(name, "-q", *arguments, env=env) as process:
            yield process

    # What ought to be in the store

    def expected(self, name: str) -> Figures:
        """Return what a cycle of dailyjobs, livestats or servicestats brings at the vendor's present time."""
        now = self.clock.now
        if name == "dailyjobs":
            return figures.daily(self.apps, now)
        return figures.live(self.apps, now) if name == "livestats" else figures.services(self.apps, now)

    def assert_stored(self, expected: Figures) -> None:
        """Fail unless the store holds exactly these points, with these values."""
        self.store.settle()
        assert_same(self.store.points, expected)

    def assert_grouped_stored(self) -> None:
        """Fail unless the store holds every series of groupedby and nothing else, with the right figures."""
        wanted = figures.versions(self.apps, self.clock.now) | figures.carriers(self.apps, self.clock.now)
        stored = self.store.points
        assert {name for name, _ in stored} == set(wanted)
        ended_at = time.time()
        for (name, timestamp), value in stored.items():
            assert value == wanted[name], name
            assert int(self.started_at) <= timestamp <= ended_at


def assert_same(stored: Figures, expected: Figures) -> None:
    """Fail with what is missing, what is too much and what is wrong."""
    missing = sorted(expected.keys() - stored.keys())
    extra = sorted(stored.keys() - expected.keys())
    assert not missing, f"{len(missing)} points are missing, such as {missing[:3]}"
    assert not extra, f"{len(extra)} points should not be there, such as {extra[:3]}"
    wrong = {key: (value, expected[key]) for key, value in stored.items() if value != expected[key]}
    assert not wrong, wrong
