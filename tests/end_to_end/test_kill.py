"""Killed at any instant, with the store up or not, the commands lose nothing and store nothing twice."""

import random
from pathlib import Path

import pytest

from tests.end_to_end.kills import STORE_STATES, Measure, measure, random_instant, run_killed, set_store
from tests.end_to_end.life import Life
from tests.end_to_end.world import COMMANDS, World

KILLS = 5
SEEDS = 10
"""Of each command: 200 kills in all."""
APPS = {"dailyjobs": 8}
"""dailyjobs commits app by app."""


def _be_killed(life: Life, whole: Measure, chance: random.Random) -> bool:
    """Make a cycle that is killed at a random instant; return whether it was, or ended before that."""
    state = chance.choice(STORE_STATES)
    set_store(life.world, state, after_bytes=chance.randint(1, 2 * whole.store_bytes // 3))
    life.begin_cycle()
    was_killed = run_killed(life.world, life.name, random_instant(chance, state, whole))
    life.end_cycle()
    return was_killed


def _live_and_be_killed(home: Path, name: str, *, seed: int, kills: int) -> None:
    chance = random.Random(f"{name} {seed}")
    with World(home / "undisturbed", app_count=APPS.get(name, 3)) as world:
        whole = measure(world, name)
    for number in range(20 * kills):
        with World(home / f"life-{number}", app_count=APPS.get(name, 3)) as world:
            life = Life(world, name)
            for _ in range(20 * kills):
                kills -= _be_killed(life, whole, chance)
                if not kills or life.is_over:
                    break
            life.end_in_peace()
        if not kills:
            return
    raise AssertionError("the cycles always end before they are killed")


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_a_few_instants_each_point_is_stored_once(tmp_path: Path, name: str) -> None:
    _live_and_be_killed(tmp_path, name, seed=0, kills=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_200_instants_each_point_is_stored_once(tmp_path: Path, name: str, seed: int) -> None:
    _live_and_be_killed(tmp_path, name, seed=seed, kills=KILLS)
