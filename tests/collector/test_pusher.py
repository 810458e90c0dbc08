"""Records on their way: into requests, and to the run or straight to the data set."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from importer.backdrop.base import PATIENT
from importer.collector import outlet
from importer.collector.direct_outlet import DirectOutlet
from importer.collector.outlet import Write, outlet_in_force
from importer.collector.pusher import Pusher
from importer.errors import ConfigError
from importer.simulators.backdrop import BackdropSimulator
from importer.simulators.base import Answer
from tests.collector.vendor_world import Kept

TOKEN = "token-of-the-set"


@pytest.fixture
def simulator() -> Iterator[BackdropSimulator]:
    with BackdropSimulator() as simulator:
        simulator.add_data_set("g", "t", token=TOKEN)
        yield simulator


def config(simulator: BackdropSimulator | None = None, *, dry_run: bool = False) -> dict[str, Any]:
    url = "http://127.0.0.1:1/data/g/t" if simulator is None else simulator.data_set_url("g", "t")
    return {"url": url, "token": TOKEN, "data-group": "g", "data-type": "t", "dry_run": dry_run}


def records(count: int) -> list[dict[str, Any]]:
    return [{"_id": str(number)} for number in range(count)]


def pushed(options: dict[str, Any], count: int) -> list[Write]:
    kept = Kept()
    with outlet_in_force(kept):
        Pusher(config(), options).push(iter(records(count)))
    return kept.writes


def test_records_go_on_in_chunks_of_a_hundred() -> None:
    writes = pushed({}, 201)
    assert [write.method for write in writes] == ["POST"] * 3
    assert [record for write in writes for record in write.content] == records(201)
    assert [len(write.content) for write in writes] == [100, 100, 1]


def test_a_query_may_say_how_many_and_that_the_data_set_is_emptied_before() -> None:
    assert pushed({"chunk-size": 2, "empty-data-set": True}, 3) == [
        Write("PUT", []),
        Write("POST", records(3)[:2]),
        Write("POST", records(3)[2:]),
    ]
    assert [len(write.content) for write in pushed({"chunk-size": 0, "empty-data-set": False}, 300)] == [300]


def test_without_records_nothing_is_done(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert pushed({"empty-data-set": True}, 0) == []
    assert caplog.messages == ["Doing nothing - no data to push"]


@pytest.mark.parametrize("options", [{"chunk-size": -1}, {"chunk-size": "many"}, {"empty-data-set": "perhaps"}])
def test_options_that_cannot_be_used_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"options: {next(iter(options))}"):
        Pusher(config(), options)


def test_without_a_run_records_are_sent_at_once(simulator: BackdropSimulator) -> None:
    Pusher(config(simulator), {"chunk-size": 2, "empty-data-set": True}).push(records(3))
    assert [(request.method, len(json.loads(request.body))) for request in simulator.requests] == [
        ("PUT", 0),
        ("POST", 2),
        ("POST", 1),
    ]
    assert simulator.data_sets["g", "t"].records == records(3)


def test_one_object_is_sent_as_one(simulator: BackdropSimulator) -> None:
    outlet.write(config(simulator), [Write("POST", {"_id": "now", "unique_visitors": 7})])
    assert simulator.requests[0].body == b'{"_id": "now", "unique_visitors": 7}'


def test_what_fails_is_raised_and_ends_the_sending(simulator: BackdropSimulator) -> None:
    simulator.fail(Answer.json({"messages": ["no"]}, status=400))
    with pytest.raises(requests.HTTPError, match="HTTP 400: no"):
        Pusher(config(simulator), {"chunk-size": 1}).push(records(3))
    assert simulator.request_count == 1


def test_sending_at_once_is_patient_too(simulator: BackdropSimulator) -> None:
    pauses: list[float] = []
    simulator.fail(Answer(503, {"Retry-After": "9"}))
    backoff = replace(PATIENT, sleep=pauses.append)
    DirectOutlet(backoff).write(config(simulator), [Write("POST", records(1))])
    assert (pauses, simulator.data_sets["g", "t"].records) == ([9.0], records(1))


def test_a_dry_run_sends_nothing(simulator: BackdropSimulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    Pusher(config(simulator, dry_run=True), {}).push(records(1))
    assert simulator.requests == ()
    assert json.loads(caplog.messages[1]) == records(1)
    assert TOKEN not in caplog.text
