"""From the version before to this one with full outboxes, and what installing again, removing and purging leaves."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from importer.simulators.base import Hold
from tests.debian.container import PACKAGE, WAIT_SECONDS, Container
from tests.debian.marks import MARKS
from tests.debian.site import (
    HOST,
    SERVICE,
    SLUG,
    Events,
    collection,
    crash_analytics,
    events,
    import_once,
    incidents,
    waiting,
)
from tests.end_to_end.world import Store, World
from tests.servers.process import wait_until

pytestmark = MARKS

PREVIOUS = "1.9.0"
TIMER = f"pp-collector@{SLUG}.timer"
UNITS = ("livestats.service", f"cton@{SERVICE}.service", "stats-service.service")
NAME = "metrics-importer"
OURS = ("apteligent-importer", "collectington", "leexportpy", "pp-collector", "stats-service", "livestats", "cton@")


def previous_version(folder: Path) -> Path:
    """Return a package that differs in its version alone."""
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", PACKAGE, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*", f"Version: {PREVIOUS}", control.read_text(), flags=re.MULTILINE))
    package = folder / f"{NAME}_{PREVIOUS}.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--build", tree, package], stdout=subprocess.DEVNULL, check=True)
    return package


def version(machine: Container) -> str:
    return machine.run("dpkg-query", "--show", "--showformat=${Version}", NAME)


def processes(machine: Container) -> dict[str, str]:
    """Return the main process of each unit, 0 for one that does not run."""
    return {unit: machine.property_of(unit, "MainPID") for unit in UNITS}


def configuration(machine: Container) -> str:
    """Return what tells whether a file of the configuration has changed, in content, owner or mode."""
    list_all = "find /etc/apteligent-importer /etc/leexportpy /etc/collectington /etc/stats-service"
    return machine.shell(f"{list_all} -printf '%p %U:%G %m\\n'; {list_all} -type f -exec sha256sum {{}} +")


@dataclass(frozen=True, slots=True)
class Site:
    """A machine with the version before, whose stores are down; what waits in its outboxes."""

    machine: Container
    world: World
    polled: Store
    """Where cton's points go, which may have two of a second: one before it is started again, one after."""
    events: Events

    def backlog(self) -> tuple[int, int]:
        """Return the points and the events that wait."""
        return waiting(self.machine, "livestats"), waiting(self.machine, "stats-service")


@pytest.fixture(scope="module")
def site(bare: Container, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    bare.install(previous_version(folder))
    with ExitStack() as stack:
        world = stack.enter_context(crash_analytics(bare, folder / "world"))
        polled = stack.enter_context(Store())
        stack.enter_context(incidents(bare, {"protocol": "plain", "host": HOST, "port": polled.port}))
        stack.enter_context(collection(bare))
        site = Site(bare, world, polled, stack.enter_context(events(bare)))
        world.store.down()
        polled.down()
        site.events.influxdb.stop()
        import_once(bare, "livestats")
        bare.run("systemctl", "enable", "--now", *UNITS, TIMER)
        site.events.post("of-before")
        expected = (len(world.expected("livestats")), 1)
        wait_until(
            lambda: site.backlog() == expected,
            lambda: f"{site.backlog()} wait, not {expected}",
            deadline_seconds=WAIT_SECONDS,
        )
        yield site
        stack.callback(bare.run, "systemctl", "reset-failed")


def test_an_upgrade_keeps_full_outboxes_and_configuration_and_restarts_what_runs(site: Site) -> None:
    machine = site.machine
    assert version(machine) == PREVIOUS
    before, configured, backlog = processes(machine), configuration(machine), site.backlog()
    machine.install(Path(PACKAGE).resolve())
    assert version(machine) != PREVIOUS
    assert site.backlog() == backlog
    assert configuration(machine) == configured
    assert not set(processes(machine).values()) & {*before.values(), "0"}
    assert machine.run("systemctl", "--failed", "--no-legend") == ""
    site.events.post("of-after")


def test_installing_once_more_changes_nothing_but_the_processes(site: Site) -> None:
    machine = site.machine
    before, configured, backlog = processes(machine), configuration(machine), site.backlog()
    machine.install(Path(PACKAGE).resolve())
    assert (configuration(machine), site.backlog()) == (configured, backlog)
    assert not set(processes(machine).values()) & {*before.values(), "0"}


def test_a_timed_run_goes_on_while_the_package_is_installed_once_more(site: Site) -> None:
    machine, hold = site.machine, Hold()
    unit = "dailyjobs.service"
    asked = site.world.vendor.request_count
    site.world.vendor.fail(hold, times=None)
    with machine.journal(unit) as journal:
        machine.run("systemctl", "start", "--no-block", unit)
        site.world.vendor.wait_for(asked + 1, timeout_seconds=WAIT_SECONDS)
        before = machine.property_of(unit, "MainPID")
        machine.install(Path(PACKAGE).resolve())
        assert machine.property_of(unit, "MainPID") == before
        hold.release()
        journal.wait_for(f"Finished {unit}", 1, WAIT_SECONDS)
    site.world.vendor.heal()
    assert waiting(machine, "dailyjobs") == len(site.world.expected("dailyjobs"))


def test_removing_and_installing_again_keeps_what_waits_and_what_is_enabled(site: Site) -> None:
    machine = site.machine
    configured, backlog = configuration(machine), site.backlog()
    machine.run("apt-get", "remove", "--yes", NAME)
    assert machine.try_run("pgrep", "--euid", NAME).stdout == ""
    machine.install(Path(PACKAGE).resolve())
    assert (configuration(machine), site.backlog()) == (configured, backlog)
    enabled = {unit: machine.try_run("systemctl", "is-enabled", unit).stdout.strip() for unit in UNITS}
    assert set(enabled.values()) == {"enabled"}
    assert {machine.property_of(unit, "ActiveState") for unit in (*UNITS, TIMER)} == {"active"}


def test_all_that_waited_through_it_is_delivered_once(site: Site) -> None:
    polled = waiting(site.machine, "cton")
    site.world.store.up()
    site.polled.up()
    site.events.influxdb.start()
    site.machine.start(*UNITS)
    site.events.influxdb.wait_for_points(2, timeout_seconds=WAIT_SECONDS)
    assert polled
    site.polled.receiver.wait_for_points(polled, timeout_seconds=WAIT_SECONDS)
    expected = site.world.expected("livestats")
    receiver = site.world.store.receiver
    receiver.wait_until(lambda: site.world.store.points.keys() >= expected.keys(), timeout_seconds=WAIT_SECONDS)
    site.machine.run("systemctl", "stop", *UNITS)
    site.world.store.assert_each_sent_once()
    kept = site.world.store.points
    assert {key: kept[key] for key in expected} == expected
    assert site.events.stored() == ["of-after", "of-before"]


def test_purging_leaves_none_of_it(site: Site) -> None:
    machine = site.machine
    machine.run("apt-get", "purge", "--yes", NAME)
    found = machine.run("find", "/", "-xdev")
    assert [path for path in found.splitlines() if any(name in path for name in OURS)] == []
    assert machine.try_run("getent", "passwd", NAME).stdout == ""
