"""Every service starts in its sandbox and delivers; those that are killed or hang are started again."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.debian.container import WAIT_SECONDS, Container
from tests.debian.marks import MARKS
from tests.debian.site import (
    HOST,
    SERVICE,
    SLUG,
    Events,
    checks,
    collection,
    crash_analytics,
    drop_in,
    events,
    incidents,
    searches,
)
from tests.end_to_end.world import World, assert_same
from tests.servers import CarbonCache
from tests.servers.kafka import MockKafka
from tests.servers.process import free_port, wait_until

pytestmark = MARKS

SHOWING = {"metrics-importer-dashboard.service": "dashboard", "metrics-importer-metrics.service": "metrics"}
"""Services that show what the others do, and their commands."""
LASTING = ("livestats.service", "leexportpy.service", "cton.service", "stats-service.service", *SHOWING)
TIMED = ("dailyjobs", "groupedby", "servicestats", "pingdom", f"pp-collector@{SLUG}")
AT_ONCE = "[Timer]\nOnCalendar=\nRandomizedDelaySec=0\nAccuracySec=1us\nOnActiveSec=1ms\n"


@dataclass(frozen=True, slots=True)
class Site:
    """All that the machine imports from and into."""

    carbon: CarbonCache
    world: World
    events: Events
    scraped: int
    """The port of cton."""
    shown: Mapping[str, int]
    """The ports of SHOWING."""


@pytest.fixture(scope="module")
def site(machine: Container, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        carbon = stack.enter_context(CarbonCache(folder / "carbon"))
        store = {"protocol": "plain", "host": HOST, "port": carbon.plain_port}
        world = stack.enter_context(crash_analytics(machine, folder / "world", port=carbon.plain_port))
        stack.enter_context(searches(machine, {"host": HOST, "port": carbon.plain_port}))
        scraped = stack.enter_context(incidents(machine, store))
        stack.enter_context(checks(machine))
        shown = {unit: free_port(HOST) for unit in SHOWING}
        for unit, port in shown.items():
            command = f"/usr/bin/metrics-importer {SHOWING[unit]} --port {port}"
            text = f"[Service]\nExecStart=\nExecStart={command}\n"
            stack.enter_context(drop_in(machine, unit, text, name="port"))
        yield Site(carbon, world, stack.enter_context(events(machine)), scraped, shown)


@pytest.fixture(scope="module")
def started(machine: Container, site: Site) -> Iterator[Site]:
    """The site, with all lasting services started, each of which has told systemd that it is ready."""
    machine.start(*LASTING)
    yield site
    machine.run("systemctl", "stop", *LASTING)


def held(carbon: CarbonCache, prefix: str) -> dict[tuple[str, int], float]:
    """Return the points on carbon's disk whose names begin so."""
    names = [name for name in carbon.names() if name.startswith(prefix)]
    return {(name, timestamp): value for name in names for timestamp, value in carbon.read(name).items()}


def wait_for(carbon: CarbonCache, prefix: str, points: int = 1) -> dict[tuple[str, int], float]:
    """Return the points on carbon's disk whose names begin so, once there are so many."""
    wait_until(
        lambda: len(held(carbon, prefix)) >= points,
        lambda: f"{len(held(carbon, prefix))} of {points} points of {prefix}; there is {carbon.names()[:20]}",
        deadline_seconds=WAIT_SECONDS,
    )
    return held(carbon, prefix)


@pytest.mark.parametrize("unit", LASTING)
def test_a_service_runs_as_its_user_in_its_sandbox(machine: Container, started: Site, unit: str) -> None:
    assert started
    process = machine.property_of(unit, "MainPID")
    status = dict(line.split(":", 1) for line in machine.run("cat", f"/proc/{process}/status").splitlines())
    user = machine.run("id", "-u", "metrics-importer").strip()
    assert status["Uid"].split() == [user] * 4
    assert (status["NoNewPrivs"].strip(), status["Seccomp"].strip()) == ("1", "2")
    assert int(status["CapEff"], 16) == 0
    assert machine.try_run("nsenter", f"--target={process}", "--mount", "touch", "/etc/x").returncode != 0


def test_livestats_delivers_to_carbon(started: Site) -> None:
    expected = started.world.expected("livestats")
    assert_same(wait_for(started.carbon, "apteligent.", len(expected)), expected)


def test_leexportpy_delivers_to_carbon(started: Site) -> None:
    assert wait_for(started.carbon, "shop.requests")


def test_cton_delivers_to_carbon_and_is_scraped(started: Site) -> None:
    with urlopen(f"http://{HOST}:{started.scraped}/metrics", timeout=WAIT_SECONDS) as answer:
        assert b"\noncall_incidents 3.0\n" in answer.read()
    assert set(wait_for(started.carbon, "oncall_incidents").values()) == {3.0}


def test_the_stats_service_delivers_to_influxdb(started: Site) -> None:
    started.events.post("taken")
    started.events.influxdb.wait_for_points(1, timeout_seconds=WAIT_SECONDS)
    assert started.events.stored() == ["taken"]


@pytest.mark.parametrize(
    ("unit", "page", "text"),
    [
        ("metrics-importer-dashboard.service", "", b"<title>"),
        ("metrics-importer-metrics.service", "metrics", b"# HELP"),
    ],
)
def test_what_the_services_do_is_shown(started: Site, unit: str, page: str, text: bytes) -> None:
    with urlopen(f"http://{HOST}:{started.shown[unit]}/{page}", timeout=WAIT_SECONDS) as answer:
        assert text in answer.read()


def test_killed_services_are_started_again_and_deliver(machine: Container, started: Site) -> None:
    before = {unit: machine.property_of(unit, "MainPID") for unit in LASTING}
    with ExitStack() as stack:
        journals = {unit: stack.enter_context(machine.journal(unit)) for unit in LASTING}
        machine.run("kill", "-KILL", *before.values())
        for unit, journal in journals.items():
            journal.wait_for(f"Started {unit}", 1, WAIT_SECONDS)
    after = {unit: machine.property_of(unit, "MainPID") for unit in LASTING}
    assert set(after.values()) & {*before.values(), "0"} == set()
    count = len(started.events.influxdb.points)
    started.events.post("after-the-kill")
    started.events.influxdb.wait_for_points(count + 1, timeout_seconds=WAIT_SECONDS)
    assert_same(held(started.carbon, "apteligent."), started.world.expected("livestats"))


@pytest.mark.parametrize("unit", LASTING)
def test_a_service_that_hangs_is_started_again_by_the_watchdog(machine: Container, started: Site, unit: str) -> None:
    assert started
    with drop_in(machine, unit, "[Service]\nWatchdogSec=5s\nRestartSec=1s\n"), machine.journal(unit) as journal:
        machine.run("systemctl", "restart", unit)
        hung = machine.property_of(unit, "MainPID")
        machine.run("kill", "-STOP", hung)
        journal.wait_for("Watchdog timeout", 1, WAIT_SECONDS)
        journal.wait_for(f"Started {unit}", 2, WAIT_SECONDS)
        assert machine.property_of(unit, "ActiveState") == "active"
        assert machine.property_of(unit, "MainPID") != hung


def test_one_service_of_cton_in_a_process_of_its_own_delivers(machine: Container, started: Site) -> None:
    machine.run("systemctl", "stop", "cton.service")
    before = len(wait_for(started.carbon, "oncall_incidents"))
    machine.start(f"cton@{SERVICE}.service")
    assert len(wait_for(started.carbon, "oncall_incidents", before + 1)) > before
    machine.run("systemctl", "stop", f"cton@{SERVICE}.service")


@pytest.mark.usefixtures("started")
def test_events_go_through_kafka_to_influxdb(machine: Container, brokers: MockKafka) -> None:
    units = ("stats-service.service", "stats-service-consume.service")
    machine.run("systemctl", "stop", *units)
    with events(machine, kafka_brokers=brokers.brokers, kafka_topic=brokers.new_topic()) as posted:
        machine.start(*units)
        posted.post("by-kafka")
        posted.influxdb.wait_for_points(1, timeout_seconds=WAIT_SECONDS)
        assert posted.stored() == ["by-kafka"]
        machine.run("systemctl", "stop", *units)


@pytest.mark.parametrize("name", TIMED)
def test_a_timer_starts_an_import_that_delivers(machine: Container, site: Site, name: str) -> None:
    with collection(machine) as data_set, drop_in(machine, f"{name}.timer", AT_ONCE):
        with machine.journal(f"{name}.service") as journal:
            machine.start(f"{name}.timer")
            journal.wait_for(f"Finished {name}.service", 1, WAIT_SECONDS)
        machine.run("systemctl", "stop", f"{name}.timer")
        assert machine.property_of(f"{name}.service", "Result") == "success"
        if "@" in name:
            assert data_set.records
        elif name in {"dailyjobs", "servicestats"}:
            expected = site.world.expected(name)
            kept = wait_until(
                lambda: (stored := held(site.carbon, "apteligent.")).keys() >= expected.keys() and stored,
                lambda: f"of {name} there is {site.carbon.names()[:20]}",
                deadline_seconds=WAIT_SECONDS,
            )
            assert {key: kept[key] for key in expected} == expected
        else:
            assert wait_for(site.carbon, {"groupedby": "apteligent.Bike_Shop.groupedby", "pingdom": "pingdom."}[name])


def test_nothing_has_failed_meanwhile(machine: Container, started: Site) -> None:
    assert started
    assert machine.run("systemctl", "--failed", "--no-legend") == ""


def test_the_logs_are_where_the_documents_say(machine: Container, started: Site) -> None:
    assert started
    for project in ("apteligent-importer", "leexportpy", "collectington", "stats-service"):
        assert list((machine.root / "var/lib" / project).glob("*.outbox")), project
        assert Path(machine.root / "var/log" / project).is_dir()
