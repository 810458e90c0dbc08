"""A store that hangs, is down or refuses: what the service goes on to do, and what it tells to whom."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.simulators.base import Answer, never
from importer.simulators.influxdb import InfluxdbSimulator
from tests.events.service.service_site import Service, Site


@pytest.fixture
def influxdb() -> Iterator[InfluxdbSimulator]:
    with InfluxdbSimulator(databases=("stats",)) as simulator:
        yield simulator


@pytest.fixture
def service(tmp_path: Path, influxdb: InfluxdbSimulator) -> Iterator[Service]:
    site = Site.at(tmp_path)
    site.keys |= {"influxdb.url": influxdb.url, "influxdb.db": "stats"}
    site.write()
    with site.running() as service:
        yield service


def test_a_store_that_hangs_holds_up_only_who_asks_for_it(service: Service, influxdb: InfluxdbSimulator) -> None:
    influxdb.fail(never, times=None, when="/query")
    askers = [threading.Thread(target=service.get, args=(f"/log/event/unknown-{number}",)) for number in range(8)]
    for asker in askers:
        asker.start()
    influxdb.wait_for(4)
    event_id = service.posted()
    assert service.get(f"/log/event/{event_id}").status == 200
    assert service.get("/health").status == 200
    assert service.get("/metrics").status == 200
    influxdb.stop()
    for asker in askers:
        asker.join()


def test_why_a_store_does_not_take_events_is_for_those_who_may_know(
    service: Service, influxdb: InfluxdbSimulator
) -> None:
    influxdb.fail(Answer(401), times=None)
    service.posted()
    service.log.wait_for(r"not delivered, kept: .*HTTP 401")
    health = service.get("/health")
    assert health.status == 200
    assert "the last delivery failed" in health.body.decode()
    metrics = service.get("/metrics").body.decode()
    assert 'stats_service_backlog_events{destination="influxdb"} 1.0' in metrics
    assert influxdb.url.removeprefix("http://") not in health.body.decode() + metrics
    unknown = service.get("/log/event/unknown")
    assert (unknown.status, unknown.json()["message"]) == (503, "the store cannot be asked now")  # type: ignore[index]
