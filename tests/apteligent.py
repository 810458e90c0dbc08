"""What tests of the Apteligent commands share: recorded answers, and a site that imports from a simulated vendor."""

import contextlib
import io
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

from importer.cli.apteligent import main as apteligent
from importer.http_client import HttpClient, RetryPolicy
from importer.parallel import make_pool
from importer.points import Batch
from importer.simulators.apteligent import CLIENT_ID, PASSWORD, USERNAME, ApteligentSimulator, demo_apps
from importer.simulators.base import Request
from importer.simulators.graphite import GraphiteReceiver, ReceivedPoint
from importer.sinks.plain_text import Names, lines
from importer.sources.apteligent.api import ApteligentApi, rate_limit_reset
from importer.sources.apteligent.asking import Account
from importer.sources.apteligent.config import load_account
from importer.sources.base import Missing, Source
from importer.stores import Blacklist
from tests.commands import Commands, Result

GOLDEN = Path(__file__).parent / "golden" / "apteligent"
COMMANDS = ("dailyjobs", "groupedby", "livestats", "servicestats")
BIKE, DUTCH, INDIA = demo_apps()
ZONES = {app.app_id: [app.name, app.offset_hours, app.country or None] for app in demo_apps()}
CARRIER_MAP = "[US]\n(?i)verizon Verizon\n(?i)t-?mobile T-Mobile\n.* Other\n\n[NL]\n(?i)KPN KPN\n.* Other\n"


def golden(name: str) -> object:
    """Return a recorded answer of the vendor."""
    return json.loads((GOLDEN / f"{name}.json").read_text())


def expected_lines(name: str) -> list[str]:
    """Return the points that a recorded answer comes to, as carbon's plain lines."""
    return (GOLDEN / f"{name}.points").read_text().splitlines()


def epoch(text: str) -> float:
    """Return a time such as 2016-05-03T08:05 (UTC) in seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def unused_port() -> int:
    """Return a port of loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def account_keys(url: str) -> dict[str, object]:
    """Return what apteligent.json holds for the simulated vendor."""
    return {
        "hostname": url,
        "username": USERNAME,
        "password": PASSWORD,
        "clientID": CLIENT_ID,
        "metric_root": "apteligent",
    }


class Clock:
    """A clock that moves when told to."""

    def __init__(self, now: float = epoch("2016-05-03T08:05")) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@contextmanager
def opened_account(
    simulator: ApteligentSimulator,
    folder: Path,
    *,
    clock: Callable[[], float],
    blacklist: Iterable[str] = (),
    threads: int = 1,
    stop: threading.Event | None = None,
) -> Iterator[Account]:
    """Give the account of the simulated vendor, with its cache in folder/cache."""
    cache = folder / "cache"
    cache.mkdir(exist_ok=True)
    (folder / "app.blacklist").write_text("\n".join(blacklist))
    (folder / "apteligent.json").write_text(json.dumps(account_keys(simulator.url)))
    stop = stop or threading.Event()
    account = load_account(folder / "apteligent.json")
    client = HttpClient(
        account.url, retries=RetryPolicy(pause_seconds=0.0), retry_after=rate_limit_reset, timeout_seconds=10, stop=stop
    )
    with make_pool(threads, "test", stop=stop) as pool, closing(client):
        yield Account(
            api=ApteligentApi(account, client, cache=cache, clock=clock),
            metric_root=account.metric_root,
            blacklist=Blacklist(folder / "app.blacklist"),
            pool=pool,
            width=threads,
            stop=stop,
            clock=clock,
        )


@dataclass(frozen=True, slots=True)
class Collected:
    """What a source yielded."""

    batches: list[Batch]
    missing: list[str]

    @property
    def lines(self) -> list[str]:
        """The points as carbon's plain lines, without their line feed."""
        points = [point for batch in self.batches for point in batch.points]
        return [line.rstrip("\n") for line in lines(points, Names())]

    @property
    def names(self) -> list[str]:
        """The names of the points."""
        return [line.split()[0] for line in self.lines]


def collect(source: Source, cursors: Mapping[str, int] | None = None) -> Collected:
    """Return all that a source yields."""
    outcomes = list(source.collect(cursors or {}))
    return Collected(
        [outcome for outcome in outcomes if isinstance(outcome, Batch)],
        [f"{outcome.what}: {outcome.error}" for outcome in outcomes if isinstance(outcome, Missing)],
    )


def params(request: Request) -> dict[str, object]:
    """Return the `params` of a request for figures."""
    body = request.json()
    assert isinstance(body, dict)
    found = body["params"]
    assert isinstance(found, dict)
    return found


def asked_for(app_id: str) -> Callable[[Request], bool]:
    """Return a predicate for the requests about an app."""
    return lambda request: app_id in request.target or app_id.encode() in request.body


@dataclass(frozen=True)
class Site:
    """An installation: configuration directory, vendor and carbon."""

    commands: Commands
    vendor: ApteligentSimulator
    carbon: GraphiteReceiver

    def write(self, name: str, content: object) -> Path:
        """Write a configuration file: text and bytes as they are, anything else as JSON."""
        path = self.commands.config_dir / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def write_all(self) -> None:
        """Write every configuration file that the four commands read."""
        self.write("apteligent.json", account_keys(self.vendor.url))
        self.write("graphite.json", {"host": "127.0.0.1", "port": self.carbon.port})
        self.write("app_timezones.json", ZONES)
        self.write("app.blacklist", "# none\n")
        self.write("services.whitelist", "".join(f"{host}\n" for app in demo_apps() for host in app.hosts))
        self.write("carrier.map", CARRIER_MAP)

    def run(self, name: str, *arguments: str, **options: object) -> Result:
        """Run a command to its end."""
        return self.commands.run(name, *arguments, **options)  # type: ignore[arg-type]

    def call(self, name: str, *arguments: str) -> Result:
        """Do the same in this process, which takes no time to start: for tables of many cases."""
        began = time.monotonic()
        out, errors = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.commands.environment),
            contextlib.chdir(self.commands.home),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            try:
                code = getattr(apteligent, name)(arguments)
            except SystemExit as end:
                code = end.code
        return Result(code, out.getvalue(), errors.getvalue(), time.monotonic() - began)

    def log(self, name: str) -> str:
        """Return a command's log file."""
        return (self.commands.log_dir / f"{name}.log").read_text()

    def warnings(self, name: str) -> list[str]:
        """Return the warnings in a command's log file."""
        return [line for line in self.log(name).splitlines() if " - WARNING -" in line]

    @property
    def lines(self) -> list[str]:
        """What carbon got, line by line."""
        return [line for connection in self.carbon.connections for line in connection.raw.decode().splitlines()]

    def points_of(self, app: str) -> list[ReceivedPoint]:
        """Return the points below an app's name, as it stands in a path."""
        return [point for point in self.carbon.points if point.name.split(".")[1] == app]


@contextmanager
def opened_site(commands: Commands) -> Iterator[Site]:
    """Give a configured installation with a vendor of three apps and a carbon."""
    with ApteligentSimulator() as vendor, GraphiteReceiver() as carbon:
        site = Site(commands, vendor, carbon)
        site.write_all()
        yield site


def vendors_requests(site: Site) -> list[str]:
    """Return the paths that the vendor was asked for, in order."""
    return [request.path for request in site.vendor.requests]
