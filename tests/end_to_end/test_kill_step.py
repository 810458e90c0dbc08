"""Killed at every labelled step between vendor and store, a command's next cycle makes good whatever was begun."""

import itertools

import pytest

from tests.end_to_end import children
from tests.end_to_end.children import STEPS
from tests.end_to_end.life import Life
from tests.end_to_end.world import COMMANDS, World

WITH_CURSORS = ("dailyjobs", "livestats")
PAIRS = [(name, step) for step in STEPS for name in COMMANDS if step != "after move_cursor" or name in WITH_CURSORS]
TURNS = itertools.cycle(COMMANDS)
A_FEW = [next((name, step) for name in TURNS if (name, step) in PAIRS) for step in STEPS]
"""Each step once, the commands in turn."""


def _die(life: Life, step: str) -> None:
    world = life.world
    since = len(world.store.settle())
    life.begin_cycle()
    ended = world.run_changed(children.dying_at, step, 1, name=life.name)
    assert ended.code == -9, f"{life.name} did not come to: {step}: {ended}"
    world.store.excuse_last(since)
    life.end_cycle()


def _die_twice_and_go_on(world: World, name: str, step: str) -> None:
    life = Life(world, name)
    _die(life, step)
    if step in {"after commit", "before deliver", "after deliver", "in delete"}:
        assert world.waiting(name), "the payload has to be there until it was deleted"
    _die(life, step)
    life.end_in_peace()


@pytest.mark.parametrize(("name", "step"), A_FEW)
def test_killed_at_each_step_each_point_is_stored_once(world: World, name: str, step: str) -> None:
    _die_twice_and_go_on(world, name, step)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "step"), sorted({*PAIRS} - {*A_FEW}))
def test_each_command_killed_at_each_step_stores_each_point_once(world: World, name: str, step: str) -> None:
    _die_twice_and_go_on(world, name, step)
