"""cton's exposition beside prometheus_client's: from a poll's new values to the bytes of a scrape.

Both print the same bytes of the same instruments, in the same run, one after the other: what a machine does besides
changes both. json_exporter is asked as well, where it is installed. And what it takes to poll many services.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from benchmarks.measure import ROOT, Figure, at_least, started
from importer.exporter.collected import CollectedSeries
from importer.exporter.exposition.page import Page
from importer.exporter.exposition.text import text
from importer.exporter.family import Family, Sample, Series
from tests.servers.process import free_port, wait_until

SIZES = (1_000, 10_000, 100_000)
ROUNDS = 9
"""The best of so many counts."""
TIMES = 5.0
"""How many times as fast as prometheus_client it should be."""
JSON_EXPORTER = "json_exporter"
JSON_EXPORTER_SERIES = 10_000
SERVICES = 200
METRICS = 10
INTERVAL_SECONDS = 10
PERIODS = 3
"""Of polling that are measured: whole ones, so that no poll is counted in part."""
START_SECONDS = 60.0


def run() -> Iterator[Figure]:
    """Measure each size, and the peer."""
    for size in SIZES:
        yield from _gauges(size)
    yield from _counters(SIZES[1])
    yield from _scrapes(SIZES[-1])
    yield from _polling()
    yield from _json_exporter()


def _best(*works: Callable[[], object], before: Callable[[int], object] = lambda _: None) -> list[float]:
    """Return the seconds of each one's fastest round; they take turns, and `before` is called ahead of each turn."""
    seconds: list[list[float]] = [[] for _ in works]
    for number in range(ROUNDS):
        for place, work in enumerate(works):
            before(number)
            begin = time.perf_counter()
            work()
            seconds[place].append(time.perf_counter() - begin)
    return [min(each) for each in seconds]


def _gauges(size: int) -> Iterator[Figure]:
    registry = CollectorRegistry()
    gauge = Gauge("stock", "Boxes.", ["team", "site"], registry=registry)
    children = [gauge.labels(f"team{number % 100}", f"site{number}") for number in range(size)]

    def poll(number: int) -> None:
        for place, child in enumerate(children):
            child.set(place * 1.37 + number)

    collected = CollectedSeries()
    poll(0)
    if text(collected.families([gauge])) != generate_latest(registry):
        raise RuntimeError("cton and prometheus_client print different things")
    by_collect = CollectedSeries()
    theirs, ours, slow, native = _best(
        lambda: generate_latest(registry),
        lambda: text(collected.families([gauge])),
        lambda: text(by_collect.families(registry.collect())),
        _native(size),
        before=poll,
    )
    yield Figure(f"prometheus_client, {size:,} gauges", theirs * 1e3, "ms")
    yield Figure(f"cton, {size:,} gauges of a class", ours * 1e3, "ms")
    yield at_least(f"cton beside it, {size:,} gauges of a class", theirs / ours, "x", TIMES)
    yield at_least(f"cton beside it, {size:,} gauges of a configuration", theirs / native, "x", TIMES)
    yield Figure(f"cton beside it, {size:,} gauges by collect()", theirs / slow, "x")


def _native(size: int) -> Callable[[], bytes]:
    """Return what a service without a class does with the numbers of an answer, up to the bytes."""
    series = [Series("stock", (("site", f"site{n}"), ("team", f"team{n % 100}"))) for n in range(size)]
    numbers = [number * 1.37 for number in range(size)]

    def work() -> bytes:
        samples = [Sample(each, number) for each, number in zip(series, numbers, strict=True)]
        return text([Family("stock", "gauge", "Boxes.", samples)])

    return work


def _counters(size: int) -> Iterator[Figure]:
    registry = CollectorRegistry()
    counter = Counter("orders", "Orders.", ["team", "site"], registry=registry)
    children = [counter.labels(f"team{number % 100}", f"site{number}") for number in range(size)]

    def poll(number: int) -> None:
        for child in children:
            child.inc(number * 1.37)

    collected = CollectedSeries()
    collected.families([counter])
    theirs, ours = _best(lambda: generate_latest(registry), lambda: text(collected.families([counter])), before=poll)
    yield at_least(f"cton beside it, {size:,} counters of a class", theirs / ours, "x", TIMES)


def _scrapes(size: int) -> Iterator[Figure]:
    """Tell what a scrape costs that comes when another one has already been answered."""
    page = Page(registry=CollectorRegistry())
    samples = [Sample(Series("stock", (("site", f"site{number}"),)), number * 1.37) for number in range(size)]
    page.publish([Family("stock", "gauge", "Boxes.", samples)])
    page.answer("", None, gzip=True)
    (again,) = _best(lambda: page.answer("", None, gzip=True))
    yield Figure(f"cton, a further scrape of {size:,} series, packed", again * 1e3, "ms")


def _polling() -> Iterator[Figure]:
    """Tell what cton takes that polls many services, each of its own port, from a vendor that is another process."""
    with tempfile.TemporaryDirectory() as folder, started("benchmarks.cton_vendor", str(METRICS)) as address:
        metrics = [{"name": f"metric_{number}", "path": f"$.figures.m{number}"} for number in range(METRICS)]
        services = {
            f"service{number}": {"port": port, "api_url": f"{address}/{number}", "metrics": metrics}
            for number, port in enumerate(_free_ports(SERVICES))
        }
        content = {"api_call_intervals": INTERVAL_SECONDS, "address": "127.0.0.1", "services": services}
        configuration = Path(folder) / "config.json"
        configuration.write_text(json.dumps({**content, "log_level": "ERROR"}))
        command = [str(ROOT / "bin" / "cton"), "--all", "-c", str(configuration)]
        with subprocess.Popen([sys.executable, *command]) as process:
            try:
                wait_until(
                    lambda: _asked(address) >= SERVICES, lambda: "not all are polled", deadline_seconds=START_SECONDS
                )
                cpu, asked = _cpu_seconds(process.pid), _asked(address)
                time.sleep(PERIODS * INTERVAL_SECONDS)  # what is measured is a stretch of time
                cpu, asked = _cpu_seconds(process.pid) - cpu, _asked(address) - asked
                memory = _resident_mebibytes(process.pid)
            finally:
                process.terminate()
    if asked < (PERIODS - 1) * SERVICES:
        raise RuntimeError(f"cton polled {asked} times in {PERIODS} periods of {SERVICES} services")
    what = f"cton, {SERVICES} services of {METRICS} metrics every {INTERVAL_SECONDS} s"
    yield Figure(f"{what}: CPU", cpu * 60 / (PERIODS * INTERVAL_SECONDS), "s/min")
    yield Figure(f"{what}: memory", memory, "MiB")
    yield Figure("cton, CPU of a poll of such a service", cpu * 1e3 / asked, "ms")


def _free_ports(count: int) -> list[int]:
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port("127.0.0.1"))
    return list(ports)


def _asked(address: str) -> int:
    """Return how many requests of services the vendor has answered."""
    return int(requests.get(f"{address}/count", timeout=10).json()["count"])


def _cpu_seconds(pid: int) -> float:
    """Return what a process has used, of its own and in the kernel: fields 14 and 15 of proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mebibytes(pid: int) -> float:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024


def _json_exporter() -> Iterator[Figure]:
    program = shutil.which(JSON_EXPORTER)
    if program is None:
        print(f"{JSON_EXPORTER} is not installed: not measured")
        return
    items = [{"site": f"site{number}", "count": number * 1.37} for number in range(JSON_EXPORTER_SERIES)]
    with tempfile.TemporaryDirectory() as folder, _answering(json.dumps({"items": items}).encode()) as target:
        configuration = Path(folder) / "config.yml"
        metric = {"name": "stock", "type": "object", "path": "{.items[*]}", "labels": {"site": "{.site}"}}
        module = {"metrics": [{**metric, "help": "Boxes.", "values": {"": "{.count}"}}]}
        configuration.write_text(json.dumps({"modules": {"default": module}}))  # JSON is YAML
        port = free_port("127.0.0.1")
        command = [program, f"--config.file={configuration}", f"--web.listen-address=127.0.0.1:{port}"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                address = f"http://127.0.0.1:{port}/probe?target={target}"
                wait_until(lambda: _answers(address), lambda: f"{JSON_EXPORTER} does not answer", deadline_seconds=10)
                (theirs,) = _best(lambda: requests.get(address, timeout=60).content)
            finally:
                process.terminate()
    yield Figure(f"{JSON_EXPORTER}, a scrape of {JSON_EXPORTER_SERIES:,} series", theirs * 1e3, "ms")


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=10).ok
    except requests.ConnectionError:
        return False


@contextmanager
def _answering(body: bytes) -> Iterator[str]:
    """Answer every request with a body; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
