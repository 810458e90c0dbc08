"""The commands for crash analytics: figures of the simulated vendor."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from importer.points import Point
from importer.simulators.apteligent import ApteligentSimulator
from tests.end_to_end import figures
from tests.end_to_end.figures import Figures
from tests.end_to_end.matrix.run import OpenStores, Run, with_log
from tests.end_to_end.world import World


def run_apteligent(name: str, home: Path, open_stores: OpenStores, *, again: bool = False) -> Run:
    """Make one cycle of dailyjobs, livestats, servicestats or groupedby; `again` imports the day once more."""
    world = World(home, app_count=2)
    # What is left out of names by one store and not by another is for the contract suite.
    bike, dutch = world.apps
    suffix = " again" if again else ""  # stores are shared: what another run brought must not be taken for this one's
    world.apps = (
        replace(bike, name=f"Bike Shop{suffix}", versions=("3.10", "dot_2")),
        replace(dutch, name=f"Tweedehands.nl{suffix}", versions=("1.0",)),
    )
    world.vendor = ApteligentSimulator(world.apps, clock=world.clock)
    log = world.commands.log_dir / f"{name}.log"
    stores = with_log(open_stores(world.commands.state_dir), name, home, log.read_text)
    with world:
        world.write_config(*(store.description() for store in stores.values()))
        began = int(time.time())
        result = world.run(name)
        if again:
            assert result.code == 0, result
            result = world.run(name, "--date", _day_of(world.expected(name)))
        ended = time.time()
    by_request = name == "groupedby"
    points = _points_of(_grouped(world, began) if by_request else world.expected(name))
    part = {"dailyjobs": "daily", "livestats": "live", "servicestats": "services", "groupedby": "groupedby"}[name]
    return Run(
        result,
        world.commands.state_dir,
        name,
        stores,
        re.compile(rf"apteligent[._](Bike_Shop|Tweedehands[-_]nl){suffix.replace(' ', '_')}[._]{part}[._]"),
        lambda _store: points,
        at=(began, ended) if by_request else None,
    )


def _day_of(daily: Figures) -> str:
    (stamp,) = {stamp for _, stamp in daily}
    return f"{datetime.fromtimestamp(stamp, UTC):%Y-%m-%d}"


def _grouped(world: World, now: int) -> Figures:
    apps, moment = world.apps, world.clock.now
    names = figures.versions(apps, moment) | figures.carriers(apps, moment)
    return {(name, now): value for name, value in names.items()}


def _points_of(figures: Figures) -> list[Point]:
    return [Point(tuple(name.split(".")), value, stamp) for (name, stamp), value in figures.items()]
