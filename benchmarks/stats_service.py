"""stats-service beside Flask on gunicorn, and InfluxDB asked per event: what 64 connections of wrk get answered.

All write to the disk before they answer; the peers sync event by event, as nothing in them commits together.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from benchmarks.measure import ROOT, Figure, at_least, at_most
from importer.events.tokens.token import TokenPair, generate_pair
from tests.servers.influx import Influxdb

CONNECTIONS = 64
SECONDS = int(os.environ.get("STATS_SERVICE_SECONDS", "15"))
"""How long each server is asked."""
MEMORY_SECONDS = int(os.environ.get("STATS_SERVICE_MEMORY_SECONDS", "15"))
"""How long the service is asked between two looks at its memory; STATS_SERVICE_MEMORY_SECONDS=600 for ten minutes."""
READY_SECONDS = 10.0
DRAIN_SECONDS = 60.0

_EVENT = {"event": "shop.view", "uid": "s 1", "qty": 3, "price": 2.5, "page": "/basket", "session": "abcdefghijkl"}
_LINE = r'analytics,event=shop.view event="shop.view",uid="s 1",qty=3i,price=2.5,page="/basket",session="abcdefghijkl"'
_SERVICE = "import sys; from importer.cli.stats_service.main import main; sys.exit(main())"


def run() -> Iterator[Figure]:
    """Measure the service with its own store and with InfluxDB, and the peers, one after the other."""
    if shutil.which("wrk") is None:
        raise SystemExit("benchmarks.stats_service: wrk is not installed (apt install wrk)")
    pair = generate_pair("bench")
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        with _service(directory / "own", pair, "") as (url, pid):
            own = _asked(f"{url}/log/event", json.dumps(_EVENT), _headers(pair))
            yield at_least("stats-service, one worker: durable events", own.per_second, "events/s", 12_000)
            yield at_most("stats-service: 99 of 100 answered within", own.p99_ms, "ms", 50)
            yield from _memory(url, pid, pair)
        with _flask(directory, pair) as url:
            flask = _asked(f"{url}/log/event", json.dumps(_EVENT), _headers(pair))
        yield Figure("Flask on gunicorn, a sync an event", flask.per_second, "events/s")
        yield at_least("stats-service beside Flask", own.per_second / flask.per_second, "x", 5)
        with Influxdb(directory / "influxdb") as influxdb:
            influxdb.query("CREATE DATABASE peer")
            peer = _asked(f"{influxdb.url}/write?db=peer", _LINE, {})
            yield Figure("InfluxDB 1.6 /write, asked per event", peer.per_second, "events/s")
            yield at_least("stats-service beside InfluxDB", own.per_second / peer.per_second, "x", 8)
            yield from _delivery(directory / "delivering", pair, influxdb)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What wrk says of a run."""

    per_second: float
    p99_ms: float


def _asked(url: str, body: str, headers: Mapping[str, str], *, seconds: int = SECONDS) -> _Asked:
    """Post body for so many seconds over CONNECTIONS connections. Raises RuntimeError for any answer but 2xx."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        lines = ['wrk.method = "POST"', f"wrk.body = {json.dumps(body)}"]
        lines += [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
        script.write("\n".join(lines))
        script.flush()
        command = ("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "--latency", "-s", script.name, url)
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"{url}: {said}")
    (per_second,) = re.findall(r"Requests/sec: +([\d.]+)", said)
    ((number, unit),) = re.findall(r"99% +([\d.]+)(us|ms|s)", said)
    return _Asked(float(per_second), float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit])


def _headers(pair: TokenPair) -> dict[str, str]:
    return {"Authorization": f"Token {pair.token.reveal()}", "Content-Type": "application/json"}


@contextmanager
def _service(directory: Path, pair: TokenPair, store: str) -> Iterator[tuple[str, int]]:
    """Run the service with the keys of a store; yields its address and the process id of its supervisor."""
    directory.mkdir()
    user = {"id": "user_1", "username": "bench"}
    tokens = [{"access_token": pair.token.reveal(), "access_secret": pair.secret.reveal()}]
    (directory / "access.json").write_text(json.dumps([{**user, "tokens": tokens}]))
    path = directory / "stats-service.ini"
    path.write_text(
        "[app:main]\nstats_service.access.identities = access.json\nstats_service.state_dir = state\n"
        f"{store}[server:main]\nhost = 127.0.0.1\nport = 0\n"
    )
    command = (sys.executable, "-c", _SERVICE, "-c", str(path))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"serving: address=(\S+) port=(\d+)", line):
                break
        else:
            raise RuntimeError("stats-service did not start")
        drained = threading.Thread(target=process.stderr.read, daemon=True)
        drained.start()
        try:
            yield f"http://{found[1]}:{found[2]}", process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            drained.join()


@contextmanager
def _flask(directory: Path, pair: TokenPair) -> Iterator[str]:
    """Run the peer; yields its address."""
    port = 18_080
    environment = {
        **os.environ,
        "PEER_TOKEN": pair.token.reveal(),
        "PEER_SECRET": pair.secret.reveal(),
        "PEER_FILE": str(directory / "peer.log"),
    }
    command = (sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--threads", "64", "--log-level", "error")
    address = f"127.0.0.1:{port}"
    with subprocess.Popen(
        (*command, "--bind", address, "benchmarks.flask_peer:app"), env=environment, cwd=ROOT
    ) as peer:
        try:
            _await_answer(f"http://{address}/")
            yield f"http://{address}"
        finally:
            peer.terminate()


def _await_answer(url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            requests.get(url, timeout=1)
        except requests.ConnectionError:
            time.sleep(0.05)  # it gives no sign when it is ready
        else:
            return
    raise RuntimeError(f"{url} does not answer")


def _memory(url: str, pid: int, pair: TokenPair) -> Iterator[Figure]:
    """Tell what all processes of the service hold together, and how much more after another run."""
    before = _resident_mib(pid)
    _asked(f"{url}/log/event", json.dumps(_EVENT), _headers(pair), seconds=MEMORY_SECONDS)
    after = _resident_mib(pid)
    yield Figure("stats-service, all processes: memory", after, "MiB")
    yield at_most(f"stats-service: more after {MEMORY_SECONDS} s of load", after - before, "MiB", 10)


def _resident_mib(pid: int) -> float:
    """Return the memory of a process and its children, what they share counted in parts."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    rollups = (Path(f"/proc/{each}/smaps_rollup").read_text() for each in (pid, *children))
    return sum(int(re.findall(r"^Pss: +(\d+) kB", rollup, re.M)[0]) for rollup in rollups) / 1024


def _delivery(directory: Path, pair: TokenPair, influxdb: Influxdb) -> Iterator[Figure]:
    """Tell how long after a run of full load InfluxDB has every event, in the same two cores."""
    influxdb.query('CREATE DATABASE "stats"')
    store = f"influxdb.url = {influxdb.url}\ninfluxdb.db = stats\nstats_service.tags = event app_node\n"
    with _service(directory, pair, store) as (url, _):
        busy = _asked(f"{url}/log/event", json.dumps(_EVENT), _headers(pair))
        ended = time.monotonic()
        while _waiting(url) and time.monotonic() < ended + DRAIN_SECONDS:
            time.sleep(0.1)  # the queue is looked at from outside, as an operator would
        drained = time.monotonic() - ended
    yield Figure("stats-service into InfluxDB: durable events", busy.per_second, "events/s")
    yield Figure("stats-service into InfluxDB: 99 of 100 answered within", busy.p99_ms, "ms")
    yield at_most("stats-service into InfluxDB: everything there after", drained, "s", 5)


def _waiting(url: str) -> int:
    destinations: Sequence[Mapping[str, int]] = requests.get(f"{url}/health", timeout=5).json()["destinations"]
    return sum(destination["events"] for destination in destinations)
