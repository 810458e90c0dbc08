"""A hundred searches side by side keep their periods, whatever some of them meet, and cost next to nothing."""

import os
import subprocess
import threading
from collections import defaultdict
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path

import pytest

from importer.simulators.base import Answer, Fault, Request, delay, never
from importer.simulators.log_search import parse_query
from tests.leexport.running import serving
from tests.leexport.site import Site

SEARCHES = 100
HANGING = range(10)
"""The searches whose queries are never answered."""
SLOW = range(10, 20)
"""Those whose answers take most of a period."""
DOWN = range(20, 30)
"""Those whose destinations are down."""
REFUSED = range(30, 35)
"""Those whose queries the API does not take."""
PERIOD_SECONDS = 10
PERIODS = 4
JITTER_SECONDS = 1.0
GROWTH_BYTES = 4 * 2**20
GROWTH_THREADS = 150
"""A busy machine makes some of a pool's threads late; a thread lost for each search and period would be hundreds."""
IDLE_SECONDS = 10.0
IDLE_CPU_SHARE = 0.005
NOBODY_LISTENS = "http://127.0.0.1:9"
"""The port of the discard service, which no machine has had for long."""


class Starts:
    """When each search asked, by its number. A rule of the simulator that takes no request."""

    def __init__(self) -> None:
        self._times: defaultdict[int, list[float]] = defaultdict(list)
        self._changed = threading.Condition()

    def __call__(self, request: Request) -> bool:
        """Note a request."""
        with self._changed:
            self._times[number_of(request)].append(request.time)
            self._changed.notify_all()
        return False

    def of(self, number: int) -> list[float]:
        """Return when a search asked, in seconds of the simulator's clock."""
        with self._changed:
            return list(self._times[number])

    def wait_for(self, number: int, count: int, *, timeout_seconds: float) -> None:
        """Return once a search has asked so many times."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._times[number]) >= count, timeout_seconds)


def number_of(request: Request) -> int:
    """Return which search asks."""
    return int(parse_query(request.json(), now=0).statement.removeprefix("where(s").partition(")")[0])


def add_searches(site: Site, *, period: int, down: Collection[int] = ()) -> None:
    """Add the searches, half of them widgets and half of them series; those of `down` are pushed to nobody."""
    for number in range(SEARCHES):
        name = f"s{number}"
        add = site.series if number % 2 else site.line
        add(name, statement=f"where({name}) calculate(count)", period=period)
        if number in down:
            for url in (site.geckoboard.url, site.graphite.url):
                site.searches[name] = site.searches[name].replace(url, NOBODY_LISTENS)


def resident_bytes(process: subprocess.Popen[str]) -> int:
    """Return how much memory a process has in use now."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def thread_count(process: subprocess.Popen[str]) -> int:
    """Return how many threads a process has now."""
    return len(list(Path(f"/proc/{process.pid}/task").iterdir()))


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    """Return how much processor time a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def unmeasured(site: Site) -> Site:
    """The site, whose commands are not measured for coverage: that takes memory and time of its own."""
    for name in [name for name in site.commands.environment if name.startswith("COVERAGE_")]:
        del site.commands.environment[name]
    return site


@pytest.mark.slow
def test_a_hundred_searches_keep_their_periods_and_their_size_while_some_hang_and_some_stores_are_down(
    unmeasured: Site,
) -> None:
    site, starts = unmeasured, Starts()
    site.api.fail(never, when=starts)
    faults: dict[range, Fault | Answer] = {HANGING: never, SLOW: delay(0.8 * PERIOD_SECONDS), REFUSED: Answer(400)}
    for numbers, fault in faults.items():
        site.api.fail(fault, times=None, when=lambda request, numbers=numbers: number_of(request) in numbers)  # type: ignore[misc]
    add_searches(site, period=PERIOD_SECONDS, down=DOWN)
    last = SEARCHES - 1
    with serving(site) as service:
        starts.wait_for(last, 2, timeout_seconds=2 * PERIOD_SECONDS)
        resident, threads = resident_bytes(service.process), thread_count(service.process)
        starts.wait_for(last, PERIODS + 1, timeout_seconds=PERIODS * PERIOD_SECONDS)
        grown = resident_bytes(service.process) - resident
        more_threads = thread_count(service.process) - threads
        ended = service.stop()
    assert (ended.code, ended.stderr) == (0, [])
    for number in range(HANGING.stop, SEARCHES):
        times = starts.of(number)
        assert len(times) == PERIODS + 1, f"s{number}"
        jitters = [abs(after - before - PERIOD_SECONDS) for before, after in pairwise(times)]
        assert max(jitters) < JITTER_SECONDS, f"s{number}"
    assert [number for number in HANGING if len(starts.of(number)) not in (1, 2)] == []  # given up after 30 s
    assert grown < GROWTH_BYTES
    assert more_threads < GROWTH_THREADS


@pytest.mark.slow
def test_a_hundred_searches_that_wait_for_their_time_need_no_processor(unmeasured: Site) -> None:
    site = unmeasured
    add_searches(site, period=3600)
    with serving(site) as service:
        service.wait_for_line("metrics sent", SEARCHES)
        used = cpu_seconds(service.process)
        assert service.is_silent(IDLE_SECONDS)
        share = (cpu_seconds(service.process) - used) / IDLE_SECONDS
    assert share < IDLE_CPU_SHARE
