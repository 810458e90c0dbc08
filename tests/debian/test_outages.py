"""What a machine goes through: a store that is away, kills, a power cut and a reboot in the middle of a delivery."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from importer.simulators import graphite
from importer.simulators.base import Answer
from tests.debian.container import WAIT_SECONDS, Container
from tests.debian.marks import MARKS
from tests.debian.site import Events, crash_analytics, drop_in, events, import_once, waiting
from tests.end_to_end.world import World
from tests.servers.process import wait_until

pytestmark = MARKS

UNIT = "livestats.service"
PROJECT = "apteligent-importer"
SOME_BYTES = 100


@pytest.fixture
def world(machine: Container, tmp_path: Path) -> Iterator[World]:
    """A vendor and a store for livestats, which knows nothing of what was before."""
    with crash_analytics(machine, tmp_path / "world") as world:
        yield world
        machine.run("systemctl", "disable", "--now", UNIT)
    machine.shell(f"rm -rf /var/lib/{PROJECT}/livestats.* /var/cache/{PROJECT}/*")


def wait_for_delivery(machine: Container, world: World) -> None:
    """Wait until all of a cycle is in the store, and the outbox empty."""
    expected = world.expected("livestats").keys()
    world.store.receiver.wait_until(lambda: world.store.points.keys() >= expected, timeout_seconds=WAIT_SECONDS)
    wait_for_waiting(machine, 0)


def wait_for_waiting(machine: Container, points: int) -> None:
    wait_until(
        lambda: waiting(machine, "livestats") == points,
        lambda: f"{waiting(machine, 'livestats')} points wait, not {points}",
        deadline_seconds=WAIT_SECONDS,
    )


def assert_delivered_once(machine: Container, world: World) -> None:
    """Fail unless the store has each point once, but for those whose connection was cut."""
    wait_for_delivery(machine, world)
    machine.run("systemctl", "stop", UNIT)
    world.store.assert_each_sent_once()
    world.assert_stored(world.expected("livestats"))


def test_what_came_while_the_store_was_down_is_there_once_when_it_is_up(machine: Container, world: World) -> None:
    world.store.down()
    with drop_in(machine, UNIT, "[Service]\nExecStart=\nExecStart=/usr/bin/livestats -q -i 1\n"):
        machine.start(UNIT)
        wait_for_waiting(machine, len(world.expected("livestats")))
        assert world.store.sent == []
        world.store.up()
        assert_delivered_once(machine, world)


def test_a_service_that_is_killed_with_a_full_outbox_loses_nothing(machine: Container, world: World) -> None:
    world.store.down()
    import_once(machine, "livestats")
    machine.start(UNIT)
    with machine.journal(UNIT) as journal:
        machine.run("systemctl", "kill", "--signal=KILL", UNIT)
        journal.wait_for(f"Started {UNIT}", 1, WAIT_SECONDS)
    assert waiting(machine, "livestats") == len(world.expected("livestats"))
    world.store.up()
    assert_delivered_once(machine, world)


@pytest.mark.parametrize("end", [Container.power_cut, Container.go_down_for_reboot], ids=["power cut", "reboot"])
def test_a_machine_that_goes_down_within_a_delivery_brings_all_of_it_once_it_is_back(
    machine: Container, world: World, end: Callable[[Container], None]
) -> None:
    world.store.down()
    import_once(machine, "livestats")
    world.store.up(graphite.slow(SOME_BYTES))
    machine.run("systemctl", "enable", "--now", UNIT)
    world.store.receiver.tick()
    world.store.receiver.wait_until(
        lambda: any(each.byte_count for each in world.store.receiver.connections), timeout_seconds=WAIT_SECONDS
    )
    hung = world.store.receiver.connections
    end(machine)
    world.store.receiver.reset_connections()
    world.store.excused.update(hung)
    world.store.up()
    machine.boot()
    assert machine.property_of(UNIT, "ActiveState") == "active"
    assert_delivered_once(machine, world)


def test_events_that_were_taken_are_stored_once_after_a_power_cut(machine: Container) -> None:
    with events(machine) as posted:
        posted.influxdb.stop()
        machine.run("systemctl", "enable", "--now", "stats-service.service")
        taken = post_some(posted)
        machine.power_cut()
        machine.boot()
        posted.influxdb.start()
        posted.influxdb.wait_for_points(len(taken), timeout_seconds=WAIT_SECONDS)
        assert posted.stored() == taken
        machine.run("systemctl", "disable", "--now", "stats-service.service")


def post_some(posted: Events) -> list[str]:
    """Send events that are all taken; return their names in alphabetical order."""
    names = [f"event-{number:02}" for number in range(20)]
    for name in names:
        posted.post(name)
    return names


def test_a_failure_is_seen_by_systemctl_and_raises_the_alarm(machine: Container, world: World) -> None:
    (world.commands.config_dir / "graphite.json").write_text('{"protocol": "smoke signals"}')
    with machine.journal(f"metrics-importer-failure@{UNIT}.service") as alarm:
        assert machine.try_run("systemctl", "start", UNIT).returncode != 0
        alarm.wait_for(f"{UNIT} has failed: exit-code exited 78", 1, WAIT_SECONDS)
    failed = machine.run("systemctl", "--failed", "--no-legend", "--plain").split()
    assert failed[0] == UNIT
    machine.run("systemctl", "reset-failed")


def test_a_timed_run_that_fails_raises_the_alarm_and_the_next_one_mends_it(machine: Container, world: World) -> None:
    unit = "dailyjobs.service"
    world.vendor.fail(Answer.json({"message": "no"}, status=403), times=None)
    with machine.journal(f"metrics-importer-failure@{unit}.service") as alarm:
        assert machine.try_run("systemctl", "start", unit).returncode != 0
        alarm.wait_for(f"{unit} has failed: exit-code exited 1", 1, WAIT_SECONDS)
    world.vendor.heal()
    machine.start(unit)
    assert machine.property_of(unit, "Result") == "success"
    world.assert_stored(world.expected("dailyjobs"))
