"""Killed at any moment, its store failing, stats-service brings each event that it answered to InfluxDB once."""

import os
import random
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.commands import ROOT
from tests.end_to_end import children
from tests.end_to_end.stats_judge import count, judge, rows
from tests.end_to_end.stats_lives import LOGGING, Lives, Outages, live_and_be_killed, wait_until_delivered
from tests.end_to_end.stats_load import Load
from tests.end_to_end.stats_million import running_influxdb, site_for
from tests.events.service.service_site import Site
from tests.servers import Influxdb
from tests.servers.kafka_broker import KafkaBroker
from tests.servers.process import wait_until

WAIT_SECONDS = 60.0
EVENTS = 15_000
KILLS = 8
"""In each of two tests: a service with one worker, and one with two."""
TOPIC = "events"
EVENT = {"event": "shop.view", "uid": "s 1", "event_id": "mine-1", "number": 1}
HOUR = 3600


@pytest.mark.slow
@pytest.mark.server("influxd")
@pytest.mark.parametrize("workers", [1, 2])
def test_each_event_that_was_answered_is_stored_once(tmp_path: Path, workers: int) -> None:
    chance = random.Random(workers)
    with running_influxdb(tmp_path, megabytes=200) as influxdb:
        site = site_for(tmp_path, influxdb, workers=workers)
        outages = Outages(influxdb)
        with Load(EVENTS, port=site.port) as load, Lives(site, load, chance) as lives:
            live_and_be_killed(lives, load, outages, kills=KILLS, chance=chance)
        verdict = judge(load, influxdb)
    assert verdict.is_good, verdict
    assert outages.seen.keys() == set(outages.kinds)
    assert lives.kills.total() == KILLS
    assert load.repeats > 0, "nobody was cut off: the kills came when nothing went on"


@pytest.fixture
def site(tmp_path: Path, influxdb: Influxdb) -> Site:
    return site_for(tmp_path, influxdb)


def changed(change: Callable[..., None], *arguments: object, site: Site) -> list[str]:
    """Return what Python is told to run the service in a process that a function of `children` has changed before."""
    return children.python_words(change, *arguments, name="stats-service", options=["-c", str(site.config)])


@pytest.mark.parametrize("step", ["filled", "committed"])
def test_an_event_whose_answer_died_with_the_worker_is_stored_once_by_its_repeat(
    site: Site, influxdb: Influxdb, step: str
) -> None:
    died = site.home / "died"
    with site.running(*changed(children.service_dying_at, step, str(died), site=site)) as service:
        with pytest.raises((OSError, HTTPException)):
            service.post(EVENT)
        assert died.exists()
        kept = _kept_times(site)
        assert len(kept) == (step == "committed")
        assert service.posted(EVENT) == EVENT["event_id"]
        assert service.posted(EVENT) == EVENT["event_id"]
        (accepted,) = _kept_times(site)
        assert kept in ([], [accepted])
        wait_until_delivered(site, service.log)
        assert _stored(influxdb) == [(accepted, EVENT["event_id"])]
        assert service.stop() == 0


@pytest.mark.parametrize("step", ["sent", "deleted"])
def test_what_the_keeper_sent_before_it_died_is_stored_once(site: Site, influxdb: Influxdb, step: str) -> None:
    died = site.home / "died"
    with site.running(*changed(children.service_dying_at, step, str(died), site=site)) as service:
        for number in range(3):
            service.posted({**EVENT, "event_id": f"mine-{number}"})
        service.log.wait_for("process died: role=keeper")
        assert died.exists()
        service.posted({**EVENT, "event_id": "mine-3"})
        wait_until_delivered(site, service.log)
        assert [name for _, name in _stored(influxdb)] == [f"mine-{number}" for number in range(4)]
        assert service.stop() == 0


def test_events_keep_their_order_when_the_clock_is_set_back(site: Site, influxdb: Influxdb) -> None:
    ids = [f"mine-{number}" for number in range(6)]
    for life, ahead in enumerate((HOUR, 0, -HOUR)):
        with site.running(*changed(children.with_clock_ahead, ahead, site=site)) as service:
            for name in ids[: 2 * life + 2]:  # the earlier ones are repeats
                service.posted({**EVENT, "event_id": name})
            wait_until_delivered(site, service.log)
            assert service.stop() == 0
    stored = _stored(influxdb)
    assert [name for _, name in sorted(stored)] == ids
    assert [time for time, _ in sorted(stored)] == _kept_times(site)


def test_two_keepers_that_overlap_store_each_event_once(site: Site, influxdb: Influxdb) -> None:
    """The second one starts while the first hangs in a request; both send the same."""
    with site.running() as service:
        service.posted({**EVENT, "event_id": "first"})
        wait_until_delivered(site, service.log)
        influxdb.pause()
        for number in range(5):
            service.posted({**EVENT, "event_id": f"mine-{number}"})
        for count_ in range(1, 3):
            service.signal(signal.SIGHUP)
            service.log.wait_for("configuration read again", count=count_)
        service.posted({**EVENT, "event_id": "last"})
        influxdb.resume()
        wait_until_delivered(site, service.log)
        assert len(_stored(influxdb)) == 7
        assert service.stop() == 0


@pytest.mark.parametrize("victim", ["worker", "keeper", "configuration"])
def test_processes_go_on_with_the_outbox_that_the_others_use_though_it_is_damaged(site: Site, victim: str) -> None:
    with site.running() as service:
        service.posted(EVENT)
        _damage_history(site)
        if victim == "configuration":
            service.signal(signal.SIGHUP)
            service.log.wait_for("configuration read again")
        else:
            (pid,) = service.pids(victim)
            os.kill(pid, signal.SIGKILL)
            service.log.wait_for(f"process started: role={victim}", count=2)
        service.posted({**EVENT, "event_id": "mine-2"})
        wait_until_delivered(site, service.log)
        assert list(site.outbox.parent.glob("*.damaged-*")) == []
        assert len(_kept_times(site)) == 2
        assert service.stop() == 0


def _damage_history(site: Site) -> None:
    """Make a page unreadable that the service never looks at."""
    with closing(sqlite3.connect(site.outbox)) as outbox:
        outbox.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = outbox.execute("PRAGMA page_size").fetchone()
        (page,) = outbox.execute("SELECT rootpage FROM sqlite_master WHERE name = 'runs'").fetchone()
    with site.outbox.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)


@pytest.mark.slow
@pytest.mark.server("influxd")
def test_each_event_comes_once_through_kafka(tmp_path: Path, influxdb: Influxdb, kafka_broker: KafkaBroker) -> None:
    kafka_broker.create_topic(TOPIC, partitions=3)
    site = site_for(tmp_path, influxdb)
    keys = {"brokers": kafka_broker.brokers, "topic": TOPIC, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    site.keys |= {f"kafka.{name}": value for name, value in keys.items()}
    site.write(tail=LOGGING)
    chance = random.Random(3)
    consume = (ROOT / "bin" / "stats-service", "consume", "-c", site.config)
    kills = sorted(chance.randrange(EVENTS) for _ in range(6))
    with Load(EVENTS, port=site.port) as load, Lives(site, load, chance) as lives:
        for number, moment in enumerate(kills):
            with site.launched(*consume) as (consumer, _):
                load.wait_for(moment)
                lives.kill(["worker", "group", "keeper"][number % 3])
                consumer.kill()
        with site.launched(*consume) as (consumer, log):
            load.wait_for(load.events)
            wait_until_delivered(site, lives.life.log)
            lives.stop()
            wait_until(
                lambda: _count_all(influxdb) >= load.events, lambda: log.text[-2000:], deadline_seconds=WAIT_SECONDS
            )
            consumer.terminate()
            assert consumer.wait(WAIT_SECONDS) == 0
    verdict = judge(load, influxdb)
    assert verdict.is_good, verdict


def _count_all(influxdb: Influxdb) -> int:
    return sum(count(influxdb, measurement) for measurement in ("analytics", "votes", "loose"))


def _kept_times(site: Site) -> list[int]:
    with closing(sqlite3.connect(site.outbox)) as outbox:
        return [time for (time,) in outbox.execute("SELECT time FROM events ORDER BY time")]


def _stored(influxdb: Influxdb) -> list[tuple[int, str]]:
    return [(time, name) for time, name in rows(influxdb, 'SELECT "event_id" FROM "analytics"')]
