"""leexportpy with 500 searches a minute, of a vendor and of services that take 50 ms to answer; and with idle ones."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import requests

from benchmarks.measure import ROOT, Figure, at_most, measured, started
from importer.simulators.geckoboard import API_KEY as GECKOBOARD_KEY
from importer.simulators.hosted_graphite import API_KEY as GRAPHITE_KEY
from importer.simulators.hosted_graphite import SINK_PATH
from importer.simulators.log_search import API_KEY, LOG, LogSearchSimulator, Question, final_answer

SEARCHES = 500
PERIOD_SECONDS = 60
MINUTES = 4
LATENCY_SECONDS = 0.05
IDLE_SEARCHES = 100
IDLE_PERIOD_SECONDS = 3600
IDLE_SECONDS = 60
PEER_THREADS = 32
PEER_ROUNDS = 3


def run() -> Iterator[Figure]:
    """Measure a busy process beside bare requests, and an idle one."""
    latency = ("--port", "0", "--latency", str(LATENCY_SECONDS))
    with (
        started("importer.simulators.geckoboard", *latency) as geckoboard,
        started("importer.simulators.hosted_graphite", *latency) as graphite,
    ):
        services = _Services(geckoboard, graphite)
        with started("importer.simulators.log_search", *latency) as url:
            peer = _peer_cpu_seconds(url, services)
        yield from _busy(services, peer)
        yield from _idle(services)


@dataclass(frozen=True, slots=True)
class _Services:
    """Where the simulated services listen."""

    geckoboard: str
    graphite: str

    def configuration(self, url: str, *, searches: int, period_seconds: int) -> str:
        """Return config.ini with that many searches: a line chart and a series by turns."""
        head = (
            f"[LE]\nrw_api_key = {API_KEY}\nurl = {url}\n[Services]\n[[geckoboard]]\napi_key = {GECKOBOARD_KEY}\n"
            f"[[hosted_graphite]]\napi_key = {GRAPHITE_KEY}\n[Searches]\n"
        )
        return head + "".join(self._search(number, period_seconds) for number in range(searches))

    def _search(self, number: int, period_seconds: int) -> str:
        if number % 2:
            where = f"service = hosted_graphite\nmetric_name = bench.m{number}\npush_url = {self.graphite}{SINK_PATH}\n"
        else:
            widget = f"widget_type = line_chart\nname = {number}\npush_url = {self.geckoboard}/v1/send/{number}\n"
            where = f"service = geckoboard\n{widget}"
        return (
            f"[[{number}]]\n[[[query]]]\nlogs = {LOG}\nquery_period = {period_seconds}\nquery_range = 600\n"
            f"statement = {_statement(number)}\n[[[destination]]]\n{where}"
        )


def _statement(number: int) -> str:
    return f"where(n={number}) calculate(count)"


def _busy(services: _Services, peer_cpu_seconds: float) -> Iterator[Figure]:
    """Yield figures of a process that runs all searches each minute."""
    what = f"leexportpy, {SEARCHES} searches of {PERIOD_SECONDS} s"
    with LogSearchSimulator(latency_seconds=LATENCY_SECONDS) as api:
        configuration = services.configuration(api.base_url, searches=SEARCHES, period_seconds=PERIOD_SECONDS)
        with _serving(configuration) as process:
            api.wait_for(1, timeout_seconds=30)
            usages = [_usage(process.pid)]
            for _ in range(MINUTES):
                time.sleep(PERIOD_SECONDS)  # what is measured is a stretch of time
                usages.append(_usage(process.pid))
        jitter_seconds = _jitter_seconds(api)
    minutes = [after.cpu_seconds - before.cpu_seconds for before, after in pairwise(usages)]
    cpu = sum(minutes[1:]) / len(minutes[1:])  # the first one makes threads, connections and the outbox
    yield Figure(f"{what}: CPU of the first minute", minutes[0], "s")
    yield Figure(f"{what}: CPU of a later minute", cpu, "s")
    yield Figure(f"{what}: share of a core", 100 * cpu / PERIOD_SECONDS, "%")
    yield Figure("requests, as many exchanges, a Session a thread: CPU", peer_cpu_seconds, "s")
    yield Figure(f"{what}: CPU beside bare requests", cpu / peer_cpu_seconds, "times")
    yield Figure(f"{what}: peak memory", usages[-1].peak_mib, "MiB")
    growth = usages[-1].resident_mib - usages[1].resident_mib
    yield at_most(f"{what}: growth from minute 1 to {MINUTES}", growth, "MiB", 4)
    yield Figure(f"{what}: start to start, furthest from the period", jitter_seconds * 1000, "ms")


def _idle(services: _Services) -> Iterator[Figure]:
    """Yield figures of a process that has pushed everything, and waits for the next hour."""
    what = f"leexportpy, {IDLE_SEARCHES} searches of {IDLE_PERIOD_SECONDS} s"
    with LogSearchSimulator() as api:
        configuration = services.configuration(api.base_url, searches=IDLE_SEARCHES, period_seconds=IDLE_PERIOD_SECONDS)
        with _serving(configuration) as process:
            api.wait_for(IDLE_SEARCHES, timeout_seconds=60)
            time.sleep(10)  # until the pushes under way have ended, of which the process gives no sign
            before = _usage(process.pid)
            time.sleep(IDLE_SECONDS)  # as above
            cpu = _usage(process.pid).cpu_seconds - before.cpu_seconds
    yield Figure(f"{what}: CPU of an idle minute", cpu * 1000, "ms")


@contextmanager
def _serving(configuration: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `leexportpy start` with this configuration in the foreground. Raises RuntimeError if it does not end well."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ)
        for kind in ("CACHE", "LOG", "STATE", "PID"):
            environment[f"{kind}_DIR"] = folder
        file = Path(folder) / "config.ini"
        file.write_text(configuration)
        command = (sys.executable, str(ROOT / "bin" / "leexportpy"), "start", "-c", str(file))
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            try:
                yield process
            finally:
                process.terminate()
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")


@dataclass(frozen=True, slots=True)
class _Usage:
    """What a process has used until now."""

    cpu_seconds: float
    resident_mib: float
    peak_mib: float


def _usage(pid: int) -> _Usage:
    proc = Path(f"/proc/{pid}")
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])  # utime and stime of proc_pid_stat(5)
    pages = int((proc / "statm").read_text().split()[1])
    (peak,) = [line.split()[1] for line in (proc / "status").read_text().splitlines() if line.startswith("VmHWM:")]
    mib = pages * resource.getpagesize() / 2**20
    return _Usage(ticks / os.sysconf("SC_CLK_TCK"), mib, int(peak) / 1024)


def _jitter_seconds(api: LogSearchSimulator) -> float:
    """Return how far a time from one query of a search to its next was from the period, at the most."""
    times: dict[str, list[float]] = defaultdict(list)
    for request in api.requests:
        times[json.loads(request.body)["leql"]["statement"]].append(request.time)
    if len(times) != SEARCHES or any(len(asked) < MINUTES for asked in times.values()):
        raise RuntimeError(f"{len(times)} of {SEARCHES} searches were run, not all of them in each minute")
    return max(abs(later - earlier - PERIOD_SECONDS) for asked in times.values() for earlier, later in pairwise(asked))


def _peer_cpu_seconds(url: str, services: _Services) -> float:
    """Return the CPU time of bare requests that ask and push what the searches of a minute do."""
    end_ms = 1_466_503_800_000
    answer = final_answer(Question((LOG,), _statement(0), end_ms - 600_000, end_ms))
    values = [point["count"] for point in answer["statistics"]["timeseries"]["global_timeseries"]]

    def exchange(session: requests.Session, number: int) -> None:
        during = {"from": end_ms - 600_000, "to": end_ms}
        query = {"logs": [LOG], "leql": {"during": during, "statement": _statement(number)}}
        session.post(f"{url}/query/logs/", json=query, headers={"x-api-key": API_KEY}, timeout=30).json()
        if number % 2:
            lines = "".join(f"bench.m{number} {value} 1466503200\n" for value in values)
            session.put(f"{services.graphite}{SINK_PATH}", data=lines, auth=(GRAPHITE_KEY, ""), timeout=30)
        else:
            points = [["2016-06-21T10:00:00Z", value] for value in values]
            data = {"x_axis": {"type": "datetime"}, "series": [{"name": str(number), "data": points}]}
            body = {"api_key": GECKOBOARD_KEY, "data": data}
            session.post(f"{services.geckoboard}/v1/send/{number}", json=body, timeout=30).json()

    numbers = [number for _ in range(PEER_ROUNDS) for number in range(SEARCHES)]
    with measured() as took:
        _share_out(exchange, numbers)
    return took.cpu / PEER_ROUNDS


def _share_out(exchange: Callable[[requests.Session, int], None], numbers: Sequence[int]) -> None:
    def work(share: Sequence[int]) -> None:
        with requests.Session() as session:
            for number in share:
                exchange(session, number)

    threads = [threading.Thread(target=work, args=(numbers[start::PEER_THREADS],)) for start in range(PEER_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
