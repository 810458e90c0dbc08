"""stats-service reads its configuration again: another store, another log, processes that hang, a full disk."""

import json
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from importer.events.event import read_events
from importer.simulators.influxdb import InfluxdbSimulator
from tests.commands import ROOT
from tests.end_to_end.small_disk import NAMESPACE, why_no_disk
from tests.events.service.poster import Poster, posting
from tests.events.service.service_site import EVENT, WAIT_SECONDS, Service, Site
from tests.servers.kafka import MockKafka
from tests.servers.process import free_port, wait_until

TOPIC = "events"
CLIENTS = 3
NO_DISK = why_no_disk()
LOGGING = """
[loggers]
keys = root
[handlers]
keys = console, file
[formatters]
keys =
[logger_root]
level = {level}
handlers = file, console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
[handler_file]
class = {handler}
args = ('stats.log',)
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.at(tmp_path, workers=2)


@pytest.fixture
def influxdb() -> Iterator[InfluxdbSimulator]:
    with InfluxdbSimulator(databases=("one", "two"), keep_requests=0) as simulator:
        yield simulator


@pytest.fixture
def kafka() -> Iterator[MockKafka]:
    with MockKafka() as brokers:
        brokers.create_topic(TOPIC)
        yield brokers


def configure(site: Site, keys: Mapping[str, object]) -> None:
    """Let the file name this store, and no other."""
    ours = {key: value for key, value in site.keys.items() if key.startswith("stats_service.")}
    site.keys = {**ours, **keys}
    site.write()


def reload(service: Service, *, count: int = 1) -> None:
    service.signal(signal.SIGHUP)
    service.log.wait_for("configuration read again", count=count)


def change_under_load(site: Site, service: Service, keys: Mapping[str, object]) -> Poster:
    """Let another store be read while clients post; return what they were told in the end."""
    with posting(service, connections=CLIENTS) as poster:
        poster.wait_for(100)
        configure(site, keys)
        reload(service)
        poster.wait_for(100)
        poster.stop()
    assert poster.failures == []
    assert len(set(poster.ids)) == len(poster.ids)
    return poster


def waiting(site: Site) -> dict[str, list[str]]:
    """Return the ids of the events that wait, by lane."""
    found: dict[str, list[str]] = {}
    with closing(sqlite3.connect(site.outbox)) as outbox:
        for lane, data in outbox.execute("SELECT lane, data FROM payloads"):
            found.setdefault(lane, []).extend(str(event.fields["event_id"]) for event in read_events(data))
    return found


def wait_until_empty(site: Site, service: Service) -> None:
    wait_until(lambda: not waiting(site), lambda: service.log.text, deadline_seconds=WAIT_SECONDS)


def stored(influxdb: InfluxdbSimulator, *databases: str) -> list[str]:
    return [
        str(point.fields["event_id"]) for point in influxdb.points if point.database in (databases or ("one", "two"))
    ]


def database(influxdb: InfluxdbSimulator, name: str) -> dict[str, object]:
    return {"influxdb.url": influxdb.url, "influxdb.db": name}


def test_events_reach_the_database_that_is_another_one_now(site: Site, influxdb: InfluxdbSimulator) -> None:
    configure(site, database(influxdb, "one"))
    with site.running() as service:
        ids = change_under_load(site, service, database(influxdb, "two")).ids
        wait_until_empty(site, service)
        assert sorted(stored(influxdb)) == sorted(ids)
        assert stored(influxdb, "two")


def test_what_waited_for_a_store_that_is_down_goes_to_the_one_in_its_place(
    site: Site, influxdb: InfluxdbSimulator
) -> None:
    configure(site, {"influxdb.url": f"http://127.0.0.1:{free_port('127.0.0.1')}"})
    with site.running() as service:
        ids = change_under_load(site, service, database(influxdb, "two")).ids
        wait_until_empty(site, service)
        assert sorted(stored(influxdb)) == sorted(ids)


def test_events_go_to_kafka_in_place_of_a_database(site: Site, influxdb: InfluxdbSimulator, kafka: MockKafka) -> None:
    configure(site, database(influxdb, "one"))
    with site.running() as service:
        ids = change_under_load(site, service, {"kafka.brokers": kafka.brokers, "kafka.topic": TOPIC}).ids
        wait_until(
            lambda: all(lane.startswith("influxdb:") for lane in waiting(site)),
            lambda: service.log.text,
            deadline_seconds=WAIT_SECONDS,
        )
        messages = [json.loads(message.value)["event"]["event_id"] for message in kafka.read(TOPIC)]
        left = [event_id for queued in waiting(site).values() for event_id in queued]
        assert sorted(stored(influxdb) + left + messages) == sorted(ids)
        assert messages


def test_events_stay_where_there_is_no_store_any_more(site: Site, influxdb: InfluxdbSimulator) -> None:
    configure(site, {"influxdb.url": f"http://127.0.0.1:{free_port('127.0.0.1')}", "influxdb.db": "one"})
    with site.running() as service:
        ids = change_under_load(site, service, {}).ids
        ((lane, queued),) = waiting(site).items()
        service.log.wait_for(f"kept for a store that is gone: lane={lane} payloads=")
        assert set(queued) < set(ids)
        with closing(sqlite3.connect(site.outbox)) as outbox:
            (kept,) = outbox.execute("SELECT count(*) FROM events").fetchone()
        assert kept == len(ids)
        configure(site, database(influxdb, "one"))
        reload(service, count=2)
        wait_until_empty(site, service)
        assert sorted(stored(influxdb)) == sorted(queued)


def test_an_outbox_that_cannot_be_prepared_leaves_the_old_store(site: Site, influxdb: InfluxdbSimulator) -> None:
    configure(site, database(influxdb, "one"))
    with site.running() as service:
        service.posted()
        wait_until_empty(site, service)
        with closing(sqlite3.connect(site.outbox, isolation_level=None)) as other:
            other.execute(
                "CREATE TRIGGER no_lane BEFORE INSERT ON lanes WHEN new.lane LIKE '%two%'"
                " BEGIN SELECT raise(ABORT, 'not here'); END"
            )
            configure(site, database(influxdb, "two"))
            service.signal(signal.SIGHUP)
            said = service.log.wait_for("configuration not read again, the old one goes on: .*not here.*\n")
            event_id = service.posted()
            wait_until(
                lambda: event_id in stored(influxdb, "one"), lambda: service.log.text, deadline_seconds=WAIT_SECONDS
            )
            other.execute("DROP TRIGGER no_lane")
        assert service.log.text.count(said[0]) == 1
        reload(service)
        event_id = service.posted()
        wait_until(lambda: event_id in stored(influxdb, "two"), lambda: service.log.text, deadline_seconds=WAIT_SECONDS)


def test_another_state_directory_takes_a_restart(site: Site, tmp_path: Path) -> None:
    with site.running() as service:
        site.keys["stats_service.state_dir"] = "elsewhere"
        site.write()
        reload(service)
        service.log.wait_for("state_dir is another one now: that takes a restart")
        event_id = service.posted()
    site.keys.pop("stats_service.state_dir")
    site.write()
    with site.running() as service:
        assert service.get(f"/log/event/{event_id}").status == 200
    assert not (tmp_path / "elsewhere" / site.outbox.name).exists()


@pytest.mark.slow
def test_a_process_that_hangs_is_killed_and_the_next_reload_works(site: Site) -> None:
    with site.running() as service:
        hung = service.pids("worker")[0]
        os.kill(hung, signal.SIGSTOP)
        reload(service)
        service.log.wait_for(f"process killed, it did not end: role=worker pid={hung}")
        reload(service, count=2)
        service.posted()


def test_a_log_that_was_rotated_is_begun_anew(site: Site) -> None:
    log = site.home / "stats.log"
    site.write(tail=LOGGING.format(level="INFO", handler="FileHandler"))
    with site.running() as service:
        log.rename(site.home / "stats.log.1")
        reload(service)
        assert "configuration read again" in log.read_text()
        assert "process started" not in log.read_text()
        site.write(tail=LOGGING.format(level="DEBUG", handler="FileHandler"))
        reload(service, count=2)
        assert "process started" in log.read_text()
        service.post(EVENT, token="wrong")
        wait_until(lambda: "forbidden" in log.read_text(), lambda: service.log.text, deadline_seconds=WAIT_SECONDS)


def test_a_log_that_cannot_be_had_is_told_and_the_old_one_stays(site: Site) -> None:
    log = site.home / "stats.log"
    site.write(tail=LOGGING.format(level="INFO", handler="FileHandler"))
    with site.running() as service:
        site.write(tail=LOGGING.format(level="INFO", handler="NoSuchHandler"))
        service.signal(signal.SIGHUP)
        service.log.wait_for("configuration not read again, the old one goes on: .*NoSuchHandler.*\n")
        wait_until(lambda: "NoSuchHandler" in log.read_text(), log.read_text, deadline_seconds=WAIT_SECONDS)
        service.posted()
        site.write(tail=LOGGING.format(level="INFO", handler="FileHandler"))
        reload(service)
        assert log.read_text().count("not read again") == 1


@pytest.mark.skipif(bool(NO_DISK), reason=NO_DISK)
@pytest.mark.parametrize("store", [{}, {"influxdb.url": "http://127.0.0.1:9"}])
def test_a_process_that_begins_on_a_full_disk_lives(site: Site, store: Mapping[str, object]) -> None:
    state = site.outbox.parent
    configure(site, {**store, "stats_service.workers": 1})
    inside = f'mount -t tmpfs -o size=4m none {state} && exec "$@"'
    execute = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"
    command = [*NAMESPACE, "sh", "-c", inside, "sh", sys.executable, ROOT / "bin" / "stats-service", "-c", site.config]
    with site.running("-c", execute, *command) as service:
        kept = [service.posted()]
        ballast = Path(f"/proc/{service.process.pid}/root{state}/ballast")
        with ballast.open("wb", buffering=0) as file:
            while space_of(ballast):
                file.write(bytes(min(space_of(ballast), 2**20)))
        while (reply := service.post({**EVENT, "text": "x" * 10_000})).status == 200:
            kept.append(str(reply.json()))  # there was room in the -wal file
        (worker,) = service.pids("worker")
        os.kill(worker, signal.SIGKILL)
        for _ in range(3):
            reply = service.post(EVENT)
            assert reply.status == 503
            assert int(reply.headers["retry-after"]) > 0
            assert service.get("/health").status == 503
        assert service.get("/metrics").status == 200
        assert service.log.text.count("process died") == 1
        assert service.log.text.count("process ended") == 0
        ballast.unlink()
        kept.append(service.posted())
        assert all(service.get(f"/log/event/{event_id}").status == 200 for event_id in kept)


def space_of(file: Path) -> int:
    found = os.statvfs(file)
    return found.f_bavail * found.f_frsize
