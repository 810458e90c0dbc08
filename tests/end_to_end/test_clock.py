"""A wall clock that is set back or ahead between two cycles costs nothing but, at most, the cycles in between."""

import pytest

from tests.end_to_end import children, figures
from tests.end_to_end.world import World

HOUR = 3600
DAY = 24 * HOUR
SHIFTS = [-2 * DAY, HOUR, *(pytest.param(seconds, marks=pytest.mark.slow) for seconds in (-30 * DAY, -HOUR, 30 * DAY))]


@pytest.mark.parametrize("seconds", SHIFTS)
def test_livestats_loses_nothing_by_a_cycle_with_a_wrong_clock(world: World, seconds: int) -> None:
    offered = world.expected("livestats")
    world.run_well("livestats")
    world.clock.now += 60
    offered |= world.expected("livestats")
    assert world.run_changed(children.with_clock_ahead, seconds, name="livestats").code in {0, 1}
    world.clock.now += 60
    offered |= world.expected("livestats")
    world.run_well("livestats")
    world.assert_stored(offered)
    assert not world.waiting("livestats")


@pytest.mark.parametrize("seconds", SHIFTS)
def test_livestats_whose_first_clock_was_wrong_goes_on_with_the_right_one(world: World, seconds: int) -> None:
    world.run_changed(children.with_clock_ahead, seconds, name="livestats")
    world.run_well("livestats")
    world.assert_stored(world.expected("livestats"))
    assert not world.waiting("livestats")


@pytest.mark.parametrize("seconds", [-30 * DAY, -2 * DAY, -DAY, 30 * DAY])
def test_dailyjobs_loses_no_day_by_cycles_with_a_wrong_clock(world: World, seconds: int) -> None:
    for _ in range(2):
        world.run_changed(children.with_clock_ahead, seconds, name="dailyjobs")
        world.run_well("dailyjobs")
        assert world.expected("dailyjobs").keys() <= world.store.points.keys()
    # Days that a clock in the past took for missed may have come too; their figures are right.
    days = [figures.daily(world.apps, world.clock.now - days * DAY) for days in range(35)]
    true_figures = {key: value for day in days for key, value in day.items()}
    world.assert_stored({key: true_figures[key] for key in world.store.points})


@pytest.mark.parametrize("seconds", [-30 * DAY, 30 * DAY])
@pytest.mark.parametrize("name", ["groupedby", "servicestats"])
def test_what_was_kept_while_the_clock_was_wrong_is_delivered_by_the_next_cycle(
    world: World, name: str, seconds: int
) -> None:
    world.store.down()
    assert world.run_changed(children.with_clock_ahead, seconds, name=name).code == 0
    kept = world.waiting(name)
    assert kept
    world.store.up()
    world.clock.now += 300
    world.run_well(name)
    assert kept <= world.store.points.keys()
    assert not world.waiting(name)
