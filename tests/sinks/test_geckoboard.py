import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from importer.credentials import Secret
from importer.errors import Rejected, SinkError, SinkRefused, SinkUnavailable
from importer.http_client import HttpClient, RetryPolicy
from importer.points import Payload
from importer.simulators.base import Fault
from importer.simulators.faults import cut_off, never, reset
from importer.simulators.geckoboard import API_KEY, GeckoboardSimulator
from importer.simulators.http_wire import Answer
from importer.sinks.geckoboard import (
    DATASETS_URL,
    MAX_BODY_BYTES,
    GeckoboardSink,
    dataset_payload,
    is_dataset_id,
    widget_payload,
)
from tests.sinks.strategies import ANY_TEXT

LANE = "geckoboard: Requests"
WIDGET = "168760-44cd73a4"
NUMBER = {"item": [{"value": 132.5, "text": "today"}]}
FIELDS: Mapping[str, object] = {
    "timestamp": {"type": "datetime", "name": "Time"},
    "value": {"type": "number", "name": "Requests"},
}
IMPATIENT = RetryPolicy(extra_attempts=0, max_wait_seconds=0)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@pytest.fixture
def simulator() -> Iterator[GeckoboardSimulator]:
    with GeckoboardSimulator() as simulator:
        yield simulator


def sink_for(
    simulator: GeckoboardSimulator, push_url: str, *, is_dataset: bool = True, timeout_seconds: float = 30.0
) -> GeckoboardSink:
    client = HttpClient(simulator.url, retries=IMPATIENT, timeout_seconds=timeout_seconds)
    return GeckoboardSink(push_url=push_url, api_key=Secret(API_KEY), lane=LANE, is_dataset=is_dataset, client=client)


def widget_sink(simulator: GeckoboardSimulator, *, timeout_seconds: float = 30.0) -> GeckoboardSink:
    return sink_for(simulator, simulator.push_url(WIDGET), is_dataset=False, timeout_seconds=timeout_seconds)


def rows(count: int) -> list[dict[str, object]]:
    times = (f"2023-11-{1 + number // 1440:02}T{number // 60 % 24:02}:{number % 60:02}:00Z" for number in range(count))
    return [{"timestamp": time, "value": number} for number, time in enumerate(times)]


def state(count: int = 3) -> Payload:
    return dataset_payload(dataset="web.requests", fields=FIELDS, unique_by=["timestamp"], rows=rows(count))


def failure(sink: GeckoboardSink, payload: Payload) -> SinkError:
    with pytest.raises(SinkError) as caught:
        sink.deliver(payload)
    assert str(caught.value).startswith(f"{LANE}: ")
    assert API_KEY not in str(caught.value)
    return caught.value


def test_a_newer_state_replaces_an_older_one_in_the_outbox() -> None:
    payloads = [widget_payload(NUMBER), widget_payload({}), state()]
    assert {payload.replace_key for payload in payloads} == {"widget"}
    assert [payload.points for payload in payloads] == [1, 1, 3]


def test_what_is_kept_does_not_hold_the_key(simulator: GeckoboardSimulator) -> None:
    assert API_KEY.encode() not in widget_payload(NUMBER).data + state().data


# Widgets


def test_a_state_is_posted_as_the_vendor_wants_it(simulator: GeckoboardSimulator) -> None:
    widget_sink(simulator).deliver(widget_payload(NUMBER))
    assert simulator.widgets == {WIDGET: [NUMBER]}
    (request,) = simulator.requests
    assert (request.method, request.path) == ("POST", f"/v1/send/{WIDGET}")
    assert request.headers["content-type"] == "application/json"
    assert request.json() == {"api_key": API_KEY, "data": NUMBER}


def test_numbers_keep_all_their_digits_and_letters_stay(simulator: GeckoboardSimulator) -> None:
    data = [1234567890145.5, 12.0, 12345678901234567890, 0.1, "München"]
    widget_sink(simulator).deliver(widget_payload(data))
    assert b'"data":[1234567890145.5,12.0,12345678901234567890,0.1,"M\xc3\xbcnchen"]' in simulator.requests[0].body


@given(data=JSON)
def test_whatever_json_holds_arrives_as_it_was(data: object) -> None:
    assert json.loads(widget_payload(data).data) == data


@given(text=ANY_TEXT)
@example(text="half an emoji \ud83d")
def test_any_text_can_be_kept(text: str) -> None:
    assert json.loads(widget_payload(text).data) == text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_know_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        widget_payload([number])


def test_a_key_of_any_kind_is_sent_whole(simulator: GeckoboardSimulator) -> None:
    simulator.api_key = 'a"b\\cé'
    sink = GeckoboardSink(push_url=simulator.push_url(WIDGET), api_key=Secret(simulator.api_key), lane=LANE)
    sink.deliver(widget_payload(NUMBER))
    sink.close()
    assert simulator.widgets == {WIDGET: [NUMBER]}


def test_a_state_of_more_than_a_megabyte_is_rejected_before_it_is_sent(simulator: GeckoboardSimulator) -> None:
    error = failure(widget_sink(simulator), widget_payload("x" * MAX_BODY_BYTES))
    assert isinstance(error, Rejected)
    assert f"more than the {MAX_BODY_BYTES} that Geckoboard takes" in str(error)
    assert simulator.request_count == 0


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer.json({"message": "bad data"}, status=400), Rejected),
        (Answer(401), SinkRefused),
        (Answer(403), SinkRefused),
        (Answer(404), SinkRefused),
        (Answer(413), Rejected),
        (Answer(422), Rejected),
        (Answer(429), SinkUnavailable),
        (Answer(500), SinkUnavailable),
    ],
)
def test_an_answer_tells_what_is_to_be_done(
    simulator: GeckoboardSimulator, answer: Answer, kind: type[SinkError]
) -> None:
    simulator.fail(answer)
    error = failure(widget_sink(simulator), widget_payload(NUMBER))
    assert type(error) is kind
    assert f"HTTP {answer.status}" in str(error)
    assert answer.body.decode() in str(error)
    assert simulator.widgets == {}


def test_a_wrong_key_names_what_to_mend(simulator: GeckoboardSimulator) -> None:
    simulator.api_key = "another"
    error = failure(widget_sink(simulator), widget_payload(NUMBER))
    assert isinstance(error, SinkRefused)
    assert "Your API key is invalid" in str(error)
    assert str(error).endswith("correct push_url, or the api_key of geckoboard")


@pytest.mark.parametrize("fault", [never, reset, cut_off(after_bytes=3)])
def test_no_whole_answer_is_unavailable(simulator: GeckoboardSimulator, fault: Fault) -> None:
    simulator.fail(fault, times=None)
    error = failure(widget_sink(simulator, timeout_seconds=0.2), widget_payload(NUMBER))
    assert isinstance(error, SinkUnavailable)


def test_a_store_that_is_away_is_unavailable_until_it_is_back(simulator: GeckoboardSimulator) -> None:
    sink = widget_sink(simulator)
    simulator.stop()
    assert isinstance(failure(sink, widget_payload(NUMBER)), SinkUnavailable)
    simulator.start()
    sink.deliver(widget_payload(NUMBER))
    assert simulator.widgets == {WIDGET: [NUMBER]}


def test_a_passing_failure_is_got_over(simulator: GeckoboardSimulator) -> None:
    simulator.fail(Answer(503))
    sink = GeckoboardSink(push_url=simulator.push_url(WIDGET), api_key=Secret(API_KEY), lane=LANE)
    sink.deliver(widget_payload(NUMBER))
    sink.close()
    assert simulator.widgets == {WIDGET: [NUMBER]}


def test_a_closed_sink_keeps_no_connection(simulator: GeckoboardSimulator) -> None:
    sink = widget_sink(simulator)
    sink.deliver(widget_payload(NUMBER))
    assert simulator.open_connections == 1
    sink.close()
    simulator.wait_for_connections(0)


# Datasets


def test_a_dataset_is_made_and_filled(simulator: GeckoboardSimulator) -> None:
    sink_for(simulator, simulator.url).deliver(state())
    dataset = simulator.datasets["web.requests"]
    assert (dataset.fields, dataset.unique_by) == (FIELDS, ("timestamp",))
    assert dataset.records == rows(3)
    assert [(request.method, request.path) for request in simulator.requests] == [
        ("PUT", "/datasets/web.requests"),
        ("PUT", "/datasets/web.requests/data"),
    ]
    assert all(request.headers["content-type"] == "application/json" for request in simulator.requests)


@pytest.mark.parametrize("base", ["", "/", "/geckoboard", "/geckoboard/"])
def test_the_address_may_end_with_a_slash_or_have_a_path(simulator: GeckoboardSimulator, base: str) -> None:
    simulator.fail(Answer(), times=None)
    sink_for(simulator, simulator.url + base).deliver(state())
    assert simulator.requests[0].path == f"{base.rstrip('/')}/datasets/web.requests"


@pytest.mark.parametrize(
    ("count", "requests"),
    [(0, [0]), (1, [1]), (500, [500]), (501, [500, 1]), (1000, [500, 500]), (1234, [500, 500, 234])],
)
def test_rows_go_in_requests_that_the_vendor_takes_newest_first(
    simulator: GeckoboardSimulator, count: int, requests: list[int]
) -> None:
    sink_for(simulator, simulator.url).deliver(state(count))
    sent = [request.json()["data"] for request in simulator.requests_to("*/data")]
    assert [len(data) for data in sent] == requests
    assert [request.method for request in simulator.requests_to("*/data")] == ["PUT", *["POST"] * (len(requests) - 1)]
    assert sent[0] == rows(count)[-500:]
    assert sorted(row["value"] for row in simulator.datasets["web.requests"].records) == list(range(count))


def test_of_too_many_rows_the_newest_are_kept(simulator: GeckoboardSimulator) -> None:
    payload = state(5100)
    assert payload.points == 5000
    sink_for(simulator, simulator.url).deliver(payload)
    values = sorted(row["value"] for row in simulator.datasets["web.requests"].records)
    assert values == list(range(100, 5100))


def test_delivering_again_changes_nothing(simulator: GeckoboardSimulator) -> None:
    sink = sink_for(simulator, simulator.url)
    for _ in range(2):
        sink.deliver(state(1000))
    assert sorted(row["value"] for row in simulator.datasets["web.requests"].records) == list(range(1000))


def test_a_dataset_without_rows_is_emptied(simulator: GeckoboardSimulator) -> None:
    sink = sink_for(simulator, simulator.url)
    sink.deliver(state())
    sink.deliver(state(0))
    assert simulator.datasets["web.requests"].records == []


def test_a_dataset_of_another_schema_is_rejected(simulator: GeckoboardSimulator) -> None:
    sink = sink_for(simulator, simulator.url)
    sink.deliver(state())
    fields = {**FIELDS, "value": {"type": "number", "name": "Errors"}}
    other = dataset_payload(dataset="web.requests", fields=fields, unique_by=["timestamp"], rows=rows(1))
    error = failure(sink, other)
    assert isinstance(error, Rejected)
    assert "HTTP 409" in str(error)


def test_too_many_requests_a_minute_are_unavailable() -> None:
    with GeckoboardSimulator(requests_a_minute=1) as simulator:
        error = failure(sink_for(simulator, simulator.url), state())
        assert isinstance(error, SinkUnavailable)
        assert "HTTP 429" in str(error)


def test_rows_of_more_than_a_megabyte_are_rejected(simulator: GeckoboardSimulator) -> None:
    fields = {"label": {"type": "string", "name": "Label"}}
    payload = dataset_payload(dataset="web.requests", fields=fields, unique_by=[], rows=[{"label": "x" * 2**20}])
    assert isinstance(failure(sink_for(simulator, simulator.url), payload), Rejected)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("web.requests", True),
        ("a-b_c.9", True),
        ("abc", True),
        ("ab", False),
        ("", False),
        ("Web", False),
        (".web", False),
        ("web.", False),
        ("a b", False),
        ("a/b", False),
        ("äbc", False),
        ("abc\n", False),
    ],
)
def test_ids_of_datasets_are_told_from_other_texts(text: str, is_one: bool) -> None:
    assert is_dataset_id(text) == is_one
    if not is_one:
        with pytest.raises(ValueError, match="not an id"):
            dataset_payload(dataset=text, fields=FIELDS, unique_by=[], rows=[])


@pytest.mark.parametrize(
    "payload",
    [
        Payload(b"{", 1, "widget"),
        Payload(b"{", 1, "dataset"),
        Payload(b"[]", 1, "dataset"),
        Payload(b'{"dataset":"a/b","fields":{},"unique_by":[],"rows":[]}', 1, "dataset"),
        Payload(b"a 1 60\n", 1, "plain"),
    ],
)
def test_a_damaged_or_foreign_payload_is_rejected_before_anything_is_sent(
    simulator: GeckoboardSimulator, payload: Payload
) -> None:
    assert isinstance(failure(widget_sink(simulator), payload), Rejected)
    assert simulator.request_count == 0


# Addresses and checks


@pytest.mark.parametrize("push_url", ["", "ftp://push.geckoboard.com", "https://key@push.geckoboard.com/v1/send/x"])
def test_an_address_that_cannot_be_used_is_refused(push_url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        GeckoboardSink(push_url=push_url, api_key=Secret(API_KEY), lane=LANE)


def test_check_tries_the_key_of_datasets(simulator: GeckoboardSimulator) -> None:
    sink = sink_for(simulator, simulator.url)
    assert sink.check() == f"{LANE} answers, and takes the key"
    assert [(request.method, request.path) for request in simulator.requests] == [("GET", "/")]
    simulator.api_key = "another"
    with pytest.raises(SinkRefused, match=LANE):
        sink.check()


@pytest.mark.parametrize("base", ["/geckoboard", "/geckoboard/"])
def test_check_asks_where_the_base_of_datasets_has_a_path(simulator: GeckoboardSimulator, base: str) -> None:
    simulator.fail(Answer())
    assert sink_for(simulator, simulator.url + base).check() == f"{LANE} answers, and takes the key"
    assert [(request.method, request.path) for request in simulator.requests] == [("GET", "/geckoboard/")]


def test_a_stop_ends_the_wait_for_the_next_try(simulator: GeckoboardSimulator) -> None:
    simulator.fail(Answer(429, {"Retry-After": "59"}), times=None)
    sink = GeckoboardSink(push_url=simulator.push_url(WIDGET), api_key=Secret(API_KEY), lane=LANE)
    with ThreadPoolExecutor() as pool:
        delivery = pool.submit(sink.deliver, widget_payload(NUMBER))
        simulator.wait_for(1)
        sink.stop()
        assert isinstance(delivery.exception(timeout=20), SinkUnavailable)
    sink.close()
    assert simulator.request_count == 1


def test_check_asks_nothing_of_a_widget(simulator: GeckoboardSimulator) -> None:
    answer = widget_sink(simulator).check()
    assert answer.startswith(f"{LANE}: nothing was asked")
    assert "\n" not in answer
    assert simulator.request_count == 0


def test_the_vendors_address_is_the_base_of_datasets() -> None:
    assert DATASETS_URL == "https://api.geckoboard.com"
    GeckoboardSink(push_url=DATASETS_URL, api_key=Secret(API_KEY), lane=LANE).close()
