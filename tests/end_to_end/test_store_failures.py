"""Whatever the store does, what was imported waits, and is there in the end: oldest first, each point once."""

import threading
from collections import defaultdict
from collections.abc import Iterator

import pytest

from importer.simulators import graphite
from importer.simulators.base import Exchange
from importer.simulators.graphite import Mode, ReceivedConnection
from tests.commands import Result
from tests.end_to_end import children
from tests.end_to_end.figures import Figures
from tests.end_to_end.life import Life
from tests.end_to_end.world import COMMANDS, WAIT_SECONDS, Store, World, assert_same
from tests.servers import CarbonCache

SOON_SECONDS = 1.0
"""How long commands wait for a store here; 30 s in earnest."""


@pytest.fixture
def other() -> Iterator[Store]:
    """A second store."""
    with Store() as store:
        yield store


def _assert_kept(world: World, name: str, result: Result, expected: Figures) -> None:
    """Fail unless a cycle ended well and all of its points wait."""
    assert (result.code, result.stderr) == (0, "")
    assert expected.keys() <= world.waiting(name)


def _assert_oldest_first(store: Store) -> None:
    stamps: dict[str, list[int]] = defaultdict(list)
    for name, timestamp in store.sent:
        stamps[name].append(timestamp)
    assert all(series == sorted(series) for series in stamps.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_store_that_was_down_for_some_cycles_gets_everything_once(world: World, name: str) -> None:
    life = Life(world, name)
    world.store.down()
    for _ in range(2):
        life.begin_cycle()
        world.run_well(name)
        life.end_cycle()
    assert life.promised
    life.end_in_peace()
    assert len(world.store.sent) == len(set(world.store.sent))
    _assert_oldest_first(world.store)


@pytest.mark.slow
def test_a_store_that_was_down_for_many_cycles_gets_everything_once_oldest_first(world: World) -> None:
    life = Life(world, "livestats")
    world.store.down()
    for _ in range(40):
        life.begin_cycle()
        world.run_well("livestats")
        life.end_cycle()
    life.end_in_peace()
    assert len(world.store.sent) == len(set(world.store.sent))
    _assert_oldest_first(world.store)


def test_what_was_kept_is_delivered_before_the_vendor_is_asked(world: World) -> None:
    world.store.down()
    world.run_well("livestats")
    kept = world.waiting("livestats")
    world.clock.now += 60
    stored_when_asked = []

    def look(exchange: Exchange) -> None:
        stored_when_asked.append(set(world.store.points))
        exchange.proceed()

    world.vendor.fail(look)
    world.store.up()
    world.run_well("livestats")
    assert kept
    assert stored_when_asked == [kept]


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        pytest.param("dailyjobs", graphite.accept_then_close, id="closes at once"),
        pytest.param("livestats", graphite.reset_after(1), id="resets after a byte"),
        pytest.param("livestats", graphite.reset_after(300), id="resets within a payload"),
    ],
)
def test_a_store_that_accepts_and_breaks_off_has_lost_us_nothing(world: World, name: str, mode: Mode) -> None:
    expected = world.expected(name)
    world.store.up(mode)
    _assert_kept(world, name, world.run(name), expected)
    world.store.up()
    world.run_well(name)
    world.store.assert_each_sent_once()
    world.assert_stored(expected)
    assert not world.waiting(name)


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(graphite.never_reads, id="never reads"),
        pytest.param(graphite.no_close, id="never closes"),
    ],
)
def test_a_store_that_does_not_say_that_it_has_everything_gets_it_again(world: World, mode: Mode) -> None:
    expected = world.expected("dailyjobs")
    world.store.up(mode)
    result = world.run_changed(children.waiting_for_stores, SOON_SECONDS, name="dailyjobs")
    _assert_kept(world, "dailyjobs", result, expected)
    world.store.receiver.reset_connections()
    world.store.up()
    world.run_well("dailyjobs")
    world.assert_stored(expected)
    assert not world.waiting("dailyjobs")


def test_a_store_that_reads_slowly_gets_everything_once(world: World) -> None:
    pause = threading.Event()

    def slow(connection: ReceivedConnection) -> None:
        while connection.read(200):
            pause.wait(0.002)

    expected = world.expected("dailyjobs")
    world.store.up(slow)
    world.run_well("dailyjobs")
    world.assert_stored(expected)
    assert len(world.store.sent) == len(expected)


def test_a_store_that_goes_away_midway_gets_the_rest_later(world: World) -> None:
    hangs = threading.Event()

    def mode(connection: ReceivedConnection) -> None:
        if len(world.store.receiver.connections) < 3:
            graphite.normal(connection)
        else:
            hangs.set()
            graphite.never_reads(connection)

    expected = world.expected("livestats")
    world.store.up(mode)
    with world.start("livestats", "--once") as process:
        assert hangs.wait(WAIT_SECONDS)
        world.store.down()
        assert process.wait(WAIT_SECONDS) == 0
    brought = world.store.points.keys()
    assert brought
    assert world.waiting("livestats") == expected.keys() - brought
    world.store.up()
    world.run_well("livestats")
    world.assert_stored(expected)
    assert len(world.store.sent) == len(expected)


def test_a_store_that_comes_back_within_a_cycle_is_found_by_it(world: World) -> None:
    expected = world.expected("livestats")
    world.store.down()
    world.run_well("livestats")
    world.store.up()
    world.run_well("livestats")
    world.assert_stored(expected)


def test_a_dead_store_does_not_keep_another_from_having_all_at_once(world: World, other: Store) -> None:
    world.write_config(world.destination(), world.destination(other.port))
    expected = world.expected("livestats")
    world.store.down()
    world.run_well("livestats")
    assert_same(other.points, expected)
    assert world.waiting("livestats") == expected.keys()
    world.store.up()
    world.run_well("livestats")
    world.assert_stored(expected)
    other.settle()
    assert len(other.sent) == len(world.store.sent) == len(expected)


def test_a_store_that_hangs_does_not_keep_another_from_having_all_at_once(world: World, other: Store) -> None:
    world.write_config(world.destination(), world.destination(other.port))
    expected = world.expected("livestats")
    world.store.up(graphite.never_reads)
    with world.start("livestats", "--once") as process:
        other.receiver.wait_for_points(len(expected), timeout_seconds=WAIT_SECONDS)
        assert process.poll() is None
        process.terminate()
        assert process.wait(WAIT_SECONDS) == 0
    other.settle()
    assert_same(other.points, expected)
    assert world.waiting("livestats") == expected.keys()


@pytest.mark.parametrize("protocol", ["plain", "pickle"])
def test_a_store_at_a_new_address_gets_what_waited_for_the_old_one(world: World, protocol: graphite.Protocol) -> None:
    expected = world.expected("livestats")
    world.store.down()
    world.run_well("livestats")
    with Store(protocol) as moved:
        world.write_config(world.destination(moved.port, protocol=protocol))
        world.clock.now += 60
        world.run_well("livestats")
        moved.settle()
        assert_same(moved.points, expected | world.expected("livestats"))
        assert len(moved.sent) == len(moved.points)
    assert not world.waiting("livestats")


def test_another_protocol_at_the_same_address_gets_what_waited(world: World) -> None:
    expected = world.expected("livestats")
    with Store("pickle") as store:
        world.write_config(world.destination(store.port))
        store.down()
        world.run_well("livestats")
        store.up()
        world.write_config(world.destination(store.port, protocol="pickle"))
        world.run_well("livestats")
        store.settle()
        assert_same(store.points, expected)


def test_a_full_outbox_fails_the_run_and_drops_nothing(world: World) -> None:
    first = world.expected("livestats")
    world.write_config(world.destination(outbox_max_bytes=20_000))
    world.store.down()
    world.run_well("livestats")
    cursors = world.cursors("livestats")
    world.clock.now += 200
    for _ in range(2):
        full = world.run("livestats")
        assert full.code == 1
        assert len(full.stderr.splitlines()) == 1
        assert "outbox_max_bytes" in full.stderr
        assert world.waiting("livestats") == first.keys()
        assert world.cursors("livestats") == cursors
    world.store.up()
    world.run_well("livestats")
    world.assert_stored(first | world.expected("livestats"))
    assert len(world.store.sent) == len(world.store.points)


# ---- carbon itself


def _assert_on_disk(carbon: CarbonCache, expected: Figures) -> None:
    """Wait until the whisper files hold as many points, and fail unless they are these."""
    counts: dict[str, int] = defaultdict(int)
    for name, _ in expected:
        counts[name] += 1
    stored = {
        (name, timestamp): value
        for name, count in counts.items()
        for timestamp, value in carbon.wait_for(name, count).items()
    }
    assert_same(stored, expected)
    assert carbon.names() == sorted(counts)


@pytest.mark.parametrize("protocol", ["plain", pytest.param("pickle", marks=pytest.mark.slow)])
def test_carbon_stopped_killed_and_hung_in_between_has_everything(
    world: World, carbon_cache: CarbonCache, protocol: graphite.Protocol
) -> None:
    port = carbon_cache.plain_port if protocol == "plain" else carbon_cache.pickle_port
    world.write_config(world.destination(port, protocol=protocol))
    life = Life(world, "livestats")

    def cycle() -> None:
        life.begin_cycle()
        result = world.run_changed(children.waiting_for_stores, SOON_SECONDS, name="livestats")
        assert (result.code, result.stderr) == (0, "")

    cycle()
    _assert_on_disk(carbon_cache, life.offered)  # what carbon has read and not written yet dies with it, always
    carbon_cache.stop()
    cycle()
    carbon_cache.start()
    cycle()
    _assert_on_disk(carbon_cache, life.offered)
    carbon_cache.kill()
    cycle()
    carbon_cache.start()
    carbon_cache.pause()
    cycle()
    carbon_cache.resume()
    cycle()
    _assert_on_disk(carbon_cache, life.offered)
