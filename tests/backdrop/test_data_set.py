"""A data set's client: its requests byte by byte, its patience, its dry run, its errors."""

import gzip
import json
import logging
import socket
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from importer import __version__
from importer.backdrop.base import BaseClient, ChunkingError, return_none_on
from importer.backdrop.data_set import DataSet
from importer.backdrop.json_encoder import encode_json
from importer.backdrop.wire import GZIP_ABOVE_CHARACTERS, pack
from importer.requests_backoff import public_address
from importer.simulators.backdrop import BackdropSimulator
from importer.simulators.backdrop import DataSet as KeptDataSet
from importer.simulators.base import HTML_PAGE, Answer, cut_off, reset
from tests.backdrop.conftest import TOKEN, Waits

GOLDEN_ERRORS = json.loads((Path(__file__).parents[1] / "collector/golden/backdrop-errors.json").read_text())
RECORD = {"_id": "one", "_timestamp": datetime(2013, 6, 15, 22, tzinfo=UTC), "check": "govuk"}


def data_set(simulator: BackdropSimulator, waits: Waits | None = None, **options: Any) -> DataSet:
    more = {} if waits is None else {"backoff": waits.backoff}
    return DataSet(simulator.data_set_url("tax-disc", "monitoring"), TOKEN, **options, **more)


def kept(simulator: BackdropSimulator) -> KeptDataSet:
    return simulator.data_sets["tax-disc", "monitoring"]


def test_records_are_posted_byte_by_byte_as_ever(simulator: BackdropSimulator) -> None:
    naive = datetime(2013, 6, 15, 22)  # noqa: DTZ001
    assert data_set(simulator).post([{"_timestamp": naive, "check": "govuk é"}]) == {"status": "ok"}
    [request] = simulator.requests
    assert (request.method, request.target) == ("POST", "/data/tax-disc/monitoring")
    assert request.body == b'[{"_timestamp": "2013-06-15T22:00:00+00:00", "check": "govuk \\u00e9"}]'
    expected = {
        "accept": "application/json",
        "user-agent": f"Performance Platform Client {__version__}",
        "govuk-request-id": "Not-Set",
        "authorization": f"Bearer {TOKEN}",
        "content-type": "application/json",
    }
    assert expected.items() <= request.headers.items()
    assert "content-encoding" not in request.headers


def test_times_keep_their_offset_and_dates_are_text() -> None:
    time = datetime(2013, 6, 15, 22, tzinfo=timezone(timedelta(hours=1)))
    assert encode_json([time, date(2013, 6, 15)]) == '["2013-06-15T22:00:00+01:00", "2013-06-15"]'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}])
def test_what_json_cannot_hold_is_refused_before_anything_is_sent(simulator: BackdropSimulator, value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        data_set(simulator).post([{"visits": value}])
    assert simulator.requests == ()


def test_without_a_token_there_is_no_authorization_even_with_a_netrc(
    simulator: BackdropSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    kept(simulator).add([{"_id": "one"}])
    client = DataSet.from_group_and_type(f"{simulator.data_url}/", "tax-disc", "monitoring")
    assert client.get({"limit": 1, "sort_by": "_timestamp:ascending"}) == {"data": [{"_id": "one"}]}
    [request] = simulator.requests
    assert request.query == {"limit": "1", "sort_by": "_timestamp:ascending"}
    assert not {"authorization", "content-type"} & request.headers.keys()
    client.set_token(TOKEN)
    client.post(RECORD)
    assert simulator.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"


def test_the_id_of_a_request_is_asked_for_each_time(simulator: BackdropSimulator) -> None:
    ids = iter(["first", "second"])
    client = data_set(simulator, request_id_fn=lambda: next(ids))
    client.post([])
    client.empty_data_set()
    assert [request.headers["govuk-request-id"] for request in simulator.requests] == ["first", "second"]


def body_of(characters: int) -> list[dict[str, str]]:
    return [{"text": "x" * (characters - len('[{"text": ""}]'))}]


@pytest.mark.parametrize(("characters", "is_packed"), [(2048, False), (2049, True)])
def test_a_long_body_is_compressed(simulator: BackdropSimulator, characters: int, *, is_packed: bool) -> None:
    data_set(simulator).post(body_of(characters))
    [request] = simulator.requests
    assert request.headers.get("content-encoding") == ("gzip" if is_packed else None)
    assert len(gzip.decompress(request.body) if is_packed else request.body) == characters
    assert kept(simulator).records == body_of(characters)


@given(st.text(max_size=3000).map(lambda text: text * 3))
def test_a_packed_body_can_be_read_again_and_is_always_the_same(text: str) -> None:
    encoded = encode_json(text)
    data, headers = pack(encoded)
    assert (data, headers) == pack(encoded)
    assert bool(headers) == (len(encoded) > GZIP_ABOVE_CHARACTERS)
    assert json.loads(gzip.decompress(data) if headers else data) == text


@pytest.mark.parametrize(("size", "counts"), [(0, [5]), (2, [2, 2, 1]), (5, [5]), (9, [5])])
def test_records_are_sent_in_chunks_in_their_order(simulator: BackdropSimulator, size: int, counts: list[int]) -> None:
    records = [{"_id": str(number)} for number in range(5)]
    answer = data_set(simulator).post((record for record in records), chunk_size=size)
    assert answer == (None if size else {"status": "ok"})
    assert [len(json.loads(request.body)) for request in simulator.requests] == counts
    assert kept(simulator).records == records


@pytest.mark.parametrize("records", ["text", b"bytes", 7, None])
def test_what_is_no_list_cannot_be_sent_in_chunks(simulator: BackdropSimulator, records: object) -> None:
    with pytest.raises(ChunkingError, match="cannot be sent in chunks; give a list of records"):
        data_set(simulator).post(records, chunk_size=2)
    assert simulator.requests == ()


def test_one_object_is_sent_as_it_is(simulator: BackdropSimulator) -> None:
    assert data_set(simulator).post(RECORD, chunk_size=10) is None
    assert simulator.requests[0].body.startswith(b'{"_id": "one"')


def test_emptying_puts_an_empty_list(simulator: BackdropSimulator) -> None:
    kept(simulator).add([{"_id": "old"}])
    assert data_set(simulator).empty_data_set() == {
        **GOLDEN_ERRORS["200_put"],
        "message": "tax_disc_monitoring now contains 0 records",
    }
    assert [(request.method, request.body) for request in simulator.requests] == [("PUT", b"[]")]
    assert kept(simulator).records == []


def test_a_data_set_by_its_configuration(simulator: BackdropSimulator) -> None:
    config = {
        "url": simulator.data_set_url("tax-disc", "monitoring"),
        "token": TOKEN,
        "dry_run": False,
        "data-type": "x",
    }
    client = DataSet.from_config(config)
    assert (client.base_url, client.token, client.dry_run) == (config["url"], TOKEN, False)
    client.post([RECORD])
    assert len(kept(simulator).records) == 1


def test_a_data_set_by_its_name() -> None:
    client = DataSet.from_name("http://backdrop.example/", "monitoring", dry_run=True)
    assert (client.base_url, client.token, client.dry_run) == ("http://backdrop.example/monitoring", None, True)


@pytest.mark.parametrize(("url", "token"), [(None, "t"), (7, None), ("http://a", 7), ("http://a", b"t")])
def test_an_address_is_text_and_a_token_text_or_none(url: Any, token: Any) -> None:
    with pytest.raises(ValueError, match="is not text; give the") as caught:
        DataSet(url, token)
    assert "b't'" not in str(caught.value)


# Patience


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_heal_is_tried_again(simulator: BackdropSimulator, waits: Waits, status: int) -> None:
    simulator.fail(Answer(status), times=4)
    assert data_set(simulator, waits).post([RECORD]) == {"status": "ok"}
    assert waits.seconds == [1.0, 2.0, 4.0, 8.0]
    assert len({request.body for request in simulator.requests}) == 1


def test_after_five_tries_the_last_answer_is_the_error(simulator: BackdropSimulator, waits: Waits) -> None:
    simulator.fail(Answer.json({"status": "error", "message": "the\ndatabase sleeps"}, status=503), times=None)
    with pytest.raises(requests.HTTPError) as caught:
        data_set(simulator, waits).post([RECORD])
    url = simulator.data_set_url("tax-disc", "monitoring")
    assert str(caught.value) == f"Max retries exceeded for {url}: HTTP 503: the database sleeps"
    assert caught.value.response.status_code == 503
    assert caught.value.request is not None
    assert simulator.request_count == 5


@pytest.mark.parametrize("fault", [reset, cut_off(after_bytes=0), cut_off(after_bytes=5)])
def test_broken_connections_are_tried_again(simulator: BackdropSimulator, waits: Waits, fault: Any) -> None:
    simulator.fail(fault, times=2)
    assert data_set(simulator, waits).post([RECORD]) == {"status": "ok"}
    assert waits.seconds == [1.0, 2.0]


def test_a_server_that_is_down_is_asked_five_times(waits: Waits) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://user:secret@127.0.0.1:{port}/data?token_auth=secret"
    with pytest.raises(requests.ConnectionError) as caught:
        DataSet(url, None, backoff=waits.backoff).get()
    assert str(caught.value) == f"Max retries exceeded for http://127.0.0.1:{port}/data: connection refused"
    assert len(waits.seconds) == 4


def test_a_pause_is_as_long_as_the_server_asks(simulator: BackdropSimulator, waits: Waits) -> None:
    simulator.fail(Answer(429, {"Retry-After": "17"}))
    simulator.fail(Answer(503, {"Retry-After": "300"}))
    data_set(simulator, waits).post([RECORD])
    assert waits.seconds == [17.0, 300.0]


def test_a_pause_that_is_too_long_is_not_made(simulator: BackdropSimulator, waits: Waits) -> None:
    simulator.fail(Answer(429, {"Retry-After": "301"}, b"slow down"))
    with pytest.raises(requests.HTTPError, match=r"HTTP 429: slow down; it asks us to wait until \d{4}-"):
        data_set(simulator, waits).post([RECORD])
    assert (waits.seconds, simulator.request_count) == ([], 1)


def test_without_retries_there_is_one_try(simulator: BackdropSimulator, waits: Waits) -> None:
    simulator.fail(Answer(503))
    with pytest.raises(requests.HTTPError, match=r"^http://.*: HTTP 503: Service Unavailable$"):
        data_set(simulator, waits, retry_on_error=False).post([RECORD])
    assert (waits.seconds, simulator.request_count) == ([], 1)


# Errors


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (
            Answer.json(GOLDEN_ERRORS["400_record"], status=400),
            'Page Views is not a valid key; _id "a b" is not a valid id',
        ),
        (Answer.json(GOLDEN_ERRORS["404"], status=404), "Could not find data_set_config"),
        (Answer.json({"status": "error"}, status=403), "Forbidden"),
        (Answer.json([1], status=400), "Bad Request"),
        (Answer(400, {"Content-Type": "text/html"}, b"<html>no</html>"), "Bad Request"),
        (Answer(418, {}, b"short and stout"), "short and stout"),
        (Answer(499), "no reason given"),
        (Answer(301, {"Location": "https://u:p@example.org/x?key=secret"}), "redirects to https://example.org/x"),
    ],
)
def test_what_will_not_heal_fails_at_once_with_the_servers_text(
    simulator: BackdropSimulator, waits: Waits, fault: Answer, text: str
) -> None:
    simulator.fail(fault)
    with pytest.raises(requests.HTTPError) as caught:
        data_set(simulator, waits).post([RECORD])
    url = simulator.data_set_url("tax-disc", "monitoring")
    assert str(caught.value).startswith(f"{url}: HTTP {fault.status}: {text}")
    assert caught.value.response.status_code == fault.status
    assert (waits.seconds, simulator.request_count) == ([], 1)


def test_a_wrong_token_is_refused(simulator: BackdropSimulator) -> None:
    client = data_set(simulator)
    client.set_token("another")
    with pytest.raises(requests.HTTPError, match="HTTP 401: Unauthorized: Invalid bearer token") as caught:
        client.post([RECORD])
    assert caught.value.response.headers["WWW-Authenticate"] == "bearer"


def test_a_page_instead_of_an_answer_is_no_success(simulator: BackdropSimulator) -> None:
    simulator.fail(HTML_PAGE)
    with pytest.raises(requests.HTTPError, match="HTTP 200: the answer is not JSON"):
        data_set(simulator).post([RECORD])


def test_an_answer_without_a_body_is_none(simulator: BackdropSimulator) -> None:
    simulator.fail(Answer(204))
    assert data_set(simulator).post([RECORD]) is None


def test_an_expected_status_can_be_made_none(simulator: BackdropSimulator) -> None:
    class Client(BaseClient):
        @return_none_on(404)
        def look(self) -> Any:
            """Look."""
            return self._get()

    client = Client(f"{simulator.url}/nowhere", None)
    assert client.look() is None
    assert Client.look.__doc__ == "Look."
    simulator.fail(Answer(403))
    with pytest.raises(requests.HTTPError):
        client.look()


# Dry run


def test_a_dry_run_shows_the_request_without_the_token_and_sends_nothing(
    simulator: BackdropSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    client = data_set(simulator, dry_run=True)
    assert client.post([RECORD]) is None
    assert client.empty_data_set() is None
    assert client.get({"limit": 1}) is None
    url = simulator.data_set_url("tax-disc", "monitoring")
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].startswith(f'HTTP POST to "{url}"\nheaders: {{')
    assert "'Authorization': 'Bearer ***'" in messages[0]
    assert json.loads(messages[1]) == [{"_id": "one", "_timestamp": "2013-06-15T22:00:00+00:00", "check": "govuk"}]
    assert messages[2].startswith(f'HTTP PUT to "{url}"')
    assert messages[3] == "[]"
    assert messages[4].startswith(f'HTTP GET to "{url}?limit=1"')
    assert TOKEN not in caplog.text
    assert {record.levelname for record in caplog.records} == {"INFO"}
    assert simulator.requests == ()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://[::1", "an address that cannot be read"),
        ("http://a:b@[::1]:80/x#y", "http://[::1]:80/x"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert public_address(address) == shown
