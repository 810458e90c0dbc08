"""Two processes of one command at the same time: each point once."""

from contextlib import ExitStack

import pytest

from importer.simulators.base import Hold
from tests.end_to_end import children
from tests.end_to_end.world import WAIT_SECONDS, World, assert_same

PATHS = {
    "dailyjobs": "/v1.0/errorMonitoring/graph",
    "livestats": "/v1.0/liveStats/periodic/*",
    "groupedby": "/v1.0/errorMonitoring/pie",
    "servicestats": "/v1.0/performanceManagement/pie",
}
HELD_REQUESTS = {"dailyjobs": 16, "livestats": 3, "groupedby": 16, "servicestats": 15}
"""How many requests one process makes while none of them is answered."""


def _run_two_at_once(world: World, name: str) -> None:
    """Make two cycles at once: neither has an answer before both have asked."""
    hold = Hold()
    world.vendor.fail(hold, times=None, when=PATHS[name])
    with ExitStack() as stack:
        processes = [stack.enter_context(world.start(name, "--once")) for _ in range(2)]
        _wait_for_requests(world, name, processes=2)
        hold.release()
        for process in processes:
            assert (process.wait(WAIT_SECONDS), process.communicate()[1]) == (0, "")


def _wait_for_requests(world: World, name: str, *, processes: int) -> None:
    wanted = processes * HELD_REQUESTS[name]
    world.vendor.wait_for(lambda request: len(world.vendor.requests_to(PATHS[name])) >= wanted, timeout_seconds=90)


@pytest.mark.parametrize("name", ["dailyjobs", "livestats"])
def test_two_processes_that_ask_the_same_store_each_point_once(world: World, name: str) -> None:
    _run_two_at_once(world, name)
    world.assert_stored(world.expected(name))
    assert len(world.store.sent) == len(world.expected(name))
    assert not world.waiting(name)


def test_two_processes_without_cursors_store_the_same_point_over_each_other(world: World) -> None:
    _run_two_at_once(world, "servicestats")
    world.assert_stored(world.expected("servicestats"))
    _run_two_at_once(world, "groupedby")
    assert not world.waiting("groupedby")


def test_two_processes_deliver_what_was_kept_once(world: World) -> None:
    kept = world.expected("livestats")
    world.store.down()
    world.run_well("livestats")
    world.clock.now += 60
    world.store.up()
    _run_two_at_once(world, "livestats")
    world.assert_stored(kept | world.expected("livestats"))
    assert len(world.store.sent) == len(world.store.points)


def test_a_cycle_beside_a_service_stores_each_point_once(world: World) -> None:
    hold = Hold()
    world.vendor.fail(hold, times=None, when=PATHS["livestats"])
    with world.start_changed(*children.before_full_minute(), name="livestats", options=["-i", "1"]) as service:
        _wait_for_requests(world, "livestats", processes=1)
        with world.start("livestats", "--once") as process:
            _wait_for_requests(world, "livestats", processes=2)
            hold.release()
            assert (process.wait(WAIT_SECONDS), process.communicate()[1]) == (0, "")
        world.store.receiver.wait_for_points(len(world.expected("livestats")), timeout_seconds=WAIT_SECONDS)
        service.terminate()
        assert (service.wait(WAIT_SECONDS), service.communicate()[1]) == (0, "")
    world.store.settle()
    assert_same(world.store.points, world.expected("livestats"))
    assert len(world.store.sent) == len(world.store.points)
