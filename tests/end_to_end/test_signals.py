"""SIGTERM and SIGINT at any instant: the command ends well and soon, and what it had obtained is not lost."""

import random
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.simulators import graphite
from importer.simulators.base import Hold, Request
from importer.simulators.graphite import ReceivedConnection
from tests.end_to_end import children, figures
from tests.end_to_end.kills import Instant, Measure, at_byte, at_end_of_payload, at_request, measure, run_struck
from tests.end_to_end.life import Life
from tests.end_to_end.world import COMMANDS, WAIT_SECONDS, World

STOP_SECONDS = 8.0
"""A command ends within 5 s, and the machine that tests may be busy."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)
SEEDS = 4


def _random_instant(chance: random.Random, whole: Measure) -> Instant:
    kinds: list[Callable[[], Instant]] = [
        lambda: at_request(chance.randint(1, whole.requests), answered=chance.random() < 0.5),
        lambda: at_byte(chance.randint(1, whole.store_bytes)),
        lambda: at_end_of_payload(chance.randint(1, whole.payloads)),
    ]
    return chance.choice(kinds)()


def _be_stopped_and_go_on(home: Path, name: str, *, seed: int, times: int) -> None:
    chance = random.Random(f"{name} {seed}")
    with World(home / "undisturbed") as world:
        whole = measure(world, name)
    with World(home / "stopped") as world:
        life = Life(world, name, whole_cycles=False)
        for _ in range(times):
            world.store.up()
            life.begin_cycle()
            instant = _random_instant(chance, whole)
            assert run_struck(world, name, instant, number=chance.choice(SIGNALS)) == 0, instant.describe
            life.end_cycle()
        life.end_in_peace()


@pytest.mark.parametrize("name", COMMANDS)
def test_stopped_at_a_few_instants_nothing_is_lost(tmp_path: Path, name: str) -> None:
    _be_stopped_and_go_on(tmp_path, name, seed=0, times=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
@pytest.mark.parametrize("name", COMMANDS)
def test_stopped_at_many_instants_nothing_is_lost(tmp_path: Path, name: str, seed: int) -> None:
    _be_stopped_and_go_on(tmp_path, name, seed=seed, times=5)


@pytest.mark.parametrize("number", SIGNALS)
def test_what_was_answered_before_the_signal_is_kept(world: World, number: signal.Signals) -> None:
    hold = Hold()
    world.vendor.fail(hold, when=lambda request: len(world.vendor.requests_to("/v1.0/performance*")) == 8, times=None)
    with world.start("servicestats", "--once", "--threads", "1") as process:
        world.vendor.wait_for(10, timeout_seconds=WAIT_SECONDS)  # a login, the apps, seven answers and a question
        process.send_signal(number)
        assert (process.wait(STOP_SECONDS), process.communicate()[1]) == (0, "")
    hold.release()
    world.store.settle()
    asked = [_asked(request) for request in world.vendor.requests_to("/v1.0/performance*")]
    answered = {
        key
        for app in world.apps
        for key in figures.services([app], world.clock.now)
        if (app.app_id, key[0].rpartition(".")[2]) in asked[:-1]
    }
    assert len(asked) == 8
    assert world.store.points.keys() | world.waiting("servicestats") == answered


def _asked(request: Request) -> tuple[str, str]:
    """Return the app and the metric that servicestats asked for."""
    body = request.json()
    assert isinstance(body, dict)
    return body["params"]["appIds"][0], body["params"]["graph"]


@pytest.mark.parametrize(
    ("number", "mode"), [(signal.SIGTERM, graphite.never_reads), (signal.SIGINT, graphite.no_close)]
)
def test_stopped_while_the_store_hangs_everything_is_kept(
    world: World, number: signal.Signals, mode: graphite.Mode
) -> None:
    reached = threading.Event()

    def hang(connection: ReceivedConnection) -> None:
        reached.set()
        mode(connection)

    world.store.up(hang)
    with world.start("dailyjobs", "--once") as process:
        assert reached.wait(WAIT_SECONDS)
        process.send_signal(number)
        assert (process.wait(STOP_SECONDS), process.communicate()[1]) == (0, "")
    world.store.receiver.reset_connections()
    world.store.up()
    world.run_well("dailyjobs")
    world.assert_stored(world.expected("dailyjobs"))


@pytest.mark.parametrize(("name", "number"), list(zip(COMMANDS, SIGNALS * 2, strict=True)))
def test_a_service_that_waits_ends_at_once(world: World, name: str, number: signal.Signals) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        address = "\0" + f"{world.commands.home}/notify"[-100:]
        systemd.bind(address)
        systemd.settimeout(WAIT_SECONDS)
        with world.start(name, env={"NOTIFY_SOCKET": f"@{address[1:]}"}) as process:
            assert systemd.recv(1024) == b"READY=1"
            process.send_signal(number)
            assert (process.wait(STOP_SECONDS), process.communicate()[1]) == (0, "")


def test_a_service_stopped_within_a_cycle_leaves_the_rest_to_the_next(world: World) -> None:
    hold = Hold()
    world.vendor.fail(hold, when="/v1.0/liveStats*", times=None)
    with world.start_changed(*children.before_full_minute(), name="livestats", options=["-i", "1"]) as service:
        world.vendor.wait_for(lambda request: "liveStats" in request.path, timeout_seconds=90)
        service.terminate()
        assert (service.wait(STOP_SECONDS), service.communicate()[1]) == (0, "")
    hold.release()
    world.vendor.heal()
    world.run_well("livestats")
    world.assert_stored(world.expected("livestats"))
    assert len(world.store.sent) == len(world.store.points)
