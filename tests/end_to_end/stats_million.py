"""The long run: a million events, a hundred kills, an InfluxDB that fails all the time; prints what it came to.

    python -m tests.end_to_end.stats_million --events 1000000 --kills 100

Exits with 1 unless every event that was answered is in InfluxDB once.
"""

import argparse
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.end_to_end.small_disk import InfluxdbOnSmallDisk, why_no_disk
from tests.end_to_end.stats_judge import DATABASE, Verdict, judge
from tests.end_to_end.stats_lives import LOGGING, Lives, Outages, live_and_be_killed
from tests.end_to_end.stats_load import Load
from tests.events.service.service_site import Site
from tests.servers import Influxdb
from tests.servers.process import free_port

DISK_MEGABYTES = 1000


@contextmanager
def running_influxdb(home: Path, *, megabytes: int) -> Iterator[Influxdb]:
    """Give an influxd, with a disk of its own where that can be had."""
    directory = home / "influxdb"
    server = Influxdb(directory) if why_no_disk() else InfluxdbOnSmallDisk(directory, megabytes=megabytes)
    with server:
        yield server


def site_for(home: Path, influxdb: Influxdb, **keys: object) -> Site:
    """Return an installation that delivers to an InfluxDB and tells of its processes."""
    site = Site.at(home, retry_max=1, **keys)
    site.keys |= {"influxdb.url": influxdb.url, "influxdb.db": DATABASE}
    site.port = free_port("127.0.0.1")
    site.write(tail=LOGGING)
    return site


def run(home: Path, *, events: int, kills: int, seed: int, workers: int = 1) -> Verdict:
    """Live once, and return the verdict; prints figures."""
    chance = random.Random(seed)
    started = time.monotonic()
    with running_influxdb(home, megabytes=DISK_MEGABYTES) as influxdb:
        site = site_for(home, influxdb, workers=workers)
        outages = Outages(influxdb)
        with Load(events, port=site.port) as load, Lives(site, load, chance) as lives:
            live_and_be_killed(lives, load, outages, kills=kills, chance=chance)
        seconds = time.monotonic() - started
        verdict = judge(load, influxdb)
    print(f"events={load.events} seconds={seconds:.0f} events_a_second={load.events / seconds:.0f}")
    print(f"kills={lives.kills.total()} {dict(lives.kills)} lives={len(lives.lives)} outages={dict(outages.seen)}")
    print(f"repeats={load.repeats} outbox_megabytes={site.outbox.stat().st_size / 2**20:.0f} {verdict}")
    return verdict


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    print(f"seed={options.seed}")
    with tempfile.TemporaryDirectory() as home:
        verdict = run(
            Path(home), events=options.events, kills=options.kills, seed=options.seed, workers=options.workers
        )
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
