"""Every command to every destination: what the vendor has is what the real store holds after one run.

`stats-service` has events in place of points: tests/events/service/ reads them back from the embedded store, and
tests/end_to_end/test_stats_service.py from InfluxDB and, by way of Kafka, from InfluxDB.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.commands import Commands
from tests.contract.stores import STORES, Servers
from tests.contract.stores.base import Store
from tests.end_to_end.matrix.apteligent import run_apteligent
from tests.end_to_end.matrix.cton import run_cton
from tests.end_to_end.matrix.leexportpy import run_leexportpy
from tests.end_to_end.matrix.pingdom import run_pingdom
from tests.end_to_end.matrix.pp_collector import run_pp_collector
from tests.end_to_end.matrix.run import LOG, OpenStores, Run
from tests.exporter.site import Site, answer
from tests.http_servers import book_server
from tests.servers import Prometheus

COMMANDS: Mapping[str, Callable[[Path, OpenStores], Run]] = {
    **{name: partial(run_apteligent, name) for name in ("dailyjobs", "livestats", "groupedby", "servicestats")},
    "pingdom": run_pingdom,
    "leexportpy": run_leexportpy,
    "cton": run_cton,
    "pp-collector": run_pp_collector,
}
AGAIN: Mapping[str, Callable[[Path, OpenStores], Run]] = {
    "dailyjobs again": partial(run_apteligent, "dailyjobs", again=True),
    "leexportpy again": partial(run_leexportpy, again=True),
    "pp-collector again": partial(run_pp_collector, again=True),
}
"""Runs in which each point comes twice, with the same time: of those that can be asked for a window."""
ALL_RUNS = {**COMMANDS, **AGAIN}
PUSHGATEWAY = "prometheus pushgateway"
NO_LOG = {"leexportpy", "leexportpy again"}
"""Has a service of that name, which is an example of its own."""
TITLES = (*STORES, LOG)
PAIRS = [(name, title) for name in ALL_RUNS for title in TITLES if not (name in NO_LOG and title == LOG)]


class Runs:
    """The commands' runs, each made when the first test wants to see what came of it."""

    def __init__(self, servers: Servers, home: Path) -> None:
        self._servers = servers
        self._home = home
        self._runs: dict[str, Run] = {}

    def of(self, name: str) -> Run:
        """Return the run of a command to all stores that are to be had."""
        if name not in self._runs:
            root = re.sub(r"\W", "_", name)
            self._runs[name] = ALL_RUNS[name](self._home / root, partial(self._stores, root))
        return self._runs[name]

    def _stores(self, root: str, state: Path) -> dict[str, Store]:
        return {
            title: kind.open(self._servers, root, state) for title, kind in STORES.items() if not kind.why_missing()
        }

    def close(self) -> None:
        """End the stores."""
        for run in self._runs.values():
            run.close()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """The commands' runs, with servers that all of them share."""
    servers = Servers(tmp_path_factory.mktemp("servers"))
    runs = Runs(servers, tmp_path_factory.mktemp("commands"))
    yield runs
    runs.close()
    servers.close()


def _pair(name: str, title: str) -> object:
    program = STORES[title].program if title in STORES else ""
    return pytest.param(name, title, marks=[pytest.mark.server(program)] if program else [], id=f"{name}-{title}")


@pytest.mark.parametrize("name", ALL_RUNS)
def test_the_run_ends_well_and_nothing_is_left_behind(runs: Runs, name: str) -> None:
    run = runs.of(name)
    assert run.result.code == 0, run.result
    run.assert_nothing_waits()


@pytest.mark.parametrize(("name", "title"), [_pair(*pair) for pair in PAIRS])
def test_the_store_holds_what_the_vendor_has(runs: Runs, name: str, title: str) -> None:
    if title in STORES and (reason := STORES[title].why_missing()):
        pytest.skip(reason)
    runs.of(name).assert_stored(title)


@pytest.mark.server(STORES[PUSHGATEWAY].program)
def test_no_command_takes_away_what_another_one_left_at_the_pushgateway(runs: Runs) -> None:
    for run in [runs.of(name) for name in COMMANDS]:
        run.assert_stored(PUSHGATEWAY)


def test_a_service_is_scraped_while_it_runs(prometheus: Prometheus, commands: Commands) -> None:
    with book_server(answer({"depth": 31})) as vendor:
        site = Site(commands, vendor)
        site.plain(metrics=[{"name": "scraped_depth", "path": "$.depth"}])
        site.top["destinations"] = {"protocol": "prometheus", "port": prometheus.scraped_port}
        with site.running("--all"):
            held = {(("__name__", "scraped_depth"), ("service", "stock")): 31.0}
            prometheus.wait_for("scraped_depth", held, deadline_seconds=60)
