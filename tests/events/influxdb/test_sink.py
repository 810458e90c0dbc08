"""Events to all generations of InfluxDB, as the simulator plays them; a real 1.x is in test_influxdb_real."""

import gzip
from collections.abc import Iterator

import pytest

from importer.credentials import Secret
from importer.errors import PartlyRejected, Rejected, SinkRefused, SinkUnavailable
from importer.events.event import Event, Value
from importer.events.influxdb.server import InfluxdbServer
from importer.events.influxdb.sink import EventInfluxdbSink
from importer.events.tags import TagRule
from importer.points import Payload
from importer.simulators.base import HTML_PAGE, Exchange
from importer.simulators.http_wire import Answer
from importer.simulators.influxdb import PASSWORD, TOKEN, USERNAME, InfluxdbSimulator
from importer.sinks.influxdb import InfluxdbSink
from importer.sinks.influxdb_target import Bucket, Database, Login, Token
from tests.events.payloads import payload

NOW = 1_795_307_635_738_123_456
SHOP = Database("shop")
TARGETS: dict[str, tuple[str, Database | Bucket]] = {
    "v1": ("1.6.7", SHOP),
    "v2": ("2.7.12", Bucket("shop", "acme")),
    "v3": ("3.8.0", Bucket("shop")),
}


@pytest.fixture
def simulator() -> Iterator[InfluxdbSimulator]:
    """InfluxDB 1.x with one database."""
    with InfluxdbSimulator(databases=("shop",)) as simulator:
        yield simulator


@pytest.fixture(params=TARGETS)
def generation(request: pytest.FixtureRequest) -> Iterator[tuple[InfluxdbSimulator, EventInfluxdbSink]]:
    """Each generation, with a sink of it."""
    api: str = request.param
    version, target = TARGETS[api]
    with InfluxdbSimulator(version=version, databases=("shop",)) as simulator:
        yield simulator, sink_for(simulator, api=api, target=target)


def sink_for(
    simulator: InfluxdbSimulator,
    *,
    api: str = "v1",
    target: Database | Bucket = SHOP,
    credentials: Login | Token | None = None,
    tags: str | None = None,
) -> EventInfluxdbSink:
    server = InfluxdbServer(simulator.url, api, target, credentials)
    return EventInfluxdbSink(server, table="analytics", tags=TagRule.parse(tags))


def event(number: int, **fields: Value) -> Event:
    return Event(NOW + number, {"event": "view", "uid": "u", "event_id": f"entry_{number}", **fields})


def stored(simulator: InfluxdbSimulator) -> dict[int, dict[str, object]]:
    """Return number -> tags and fields together."""
    return {point.nanoseconds - NOW: {**dict(point.tags), **point.fields} for point in simulator.points}


def sent_lines(simulator: InfluxdbSimulator) -> list[int]:
    """Return how many lines each request for writing had."""
    return [gzip.decompress(request.body).count(b"\n") for request in simulator.requests_to("*write")]


def test_events_are_one_packed_request_with_nanoseconds(
    generation: tuple[InfluxdbSimulator, EventInfluxdbSink],
) -> None:
    simulator, sink = generation
    sink.deliver(payload(event(1, qty=3), event(2)))
    (request,) = simulator.requests
    assert request.query["precision"] == "ns"
    assert request.headers["content-encoding"] == "gzip"
    assert stored(simulator) == {
        1: {"event": "view", "uid": "u", "event_id": "entry_1", "qty": 3},
        2: {"event": "view", "uid": "u", "event_id": "entry_2"},
    }


def test_the_lane_is_not_that_of_points_and_tells_no_secret() -> None:
    server = InfluxdbServer("http://h:8086/db", "v1", SHOP, Login(USERNAME, Secret(PASSWORD)))
    sink = EventInfluxdbSink(server, table="a", tags=TagRule())
    assert sink.lane == "influxdb://h:8086/db/shop#events"
    assert InfluxdbSink(url="http://h:8086/db", target=Database("shop#events")).lane != sink.lane
    assert (sink.family, sink.joined_points) == ("influxdb-events", 5000)


def test_a_login_and_a_token_are_told(simulator: InfluxdbSimulator) -> None:
    simulator.with_login = True
    sink_for(simulator, credentials=Login(USERNAME, Secret(PASSWORD))).deliver(payload(event(1)))
    with InfluxdbSimulator(version="2.7.12", databases=("shop",), with_login=True) as second:
        credentials = Token(Secret(TOKEN))
        sink_for(second, api="v2", target=TARGETS["v2"][1], credentials=credentials).deliver(payload(event(1)))
        assert stored(second).keys() == stored(simulator).keys() == {1}


def test_types_that_meet_are_both_stored_and_remembered(
    generation: tuple[InfluxdbSimulator, EventInfluxdbSink],
) -> None:
    simulator, sink = generation
    values: list[Value] = [1, 1.5, True, 2.0, 7]
    sink.deliver(payload(*(event(number, v=value) for number, value in enumerate(values))))
    held = stored(simulator)
    assert [held[number].get("v") for number in range(5)] == [1, None, None, 2, 7]
    assert (held[1]["v_float"], held[2]["v_boolean"]) == (1.5, True)
    before = len(simulator.requests)
    sink.deliver(payload(event(9, v=9.5)))
    assert len(simulator.requests) == before + 1
    assert stored(simulator)[9]["v_float"] == 9.5


def test_one_line_at_fault_costs_no_other_line(generation: tuple[InfluxdbSimulator, EventInfluxdbSink]) -> None:
    simulator, sink = generation
    simulator.fail(
        Answer.json({"error": "it is not to my liking", "message": "it is not to my liking"}, status=400),
        when=lambda request: b'"entry_300"' in gzip.decompress(request.body),
        times=None,
    )
    with pytest.raises(PartlyRejected, match="not to my liking") as caught:
        sink.deliver(payload(*map(event, range(1000))))
    assert [part for part, _ in caught.value.parts] == [payload(event(300))]
    assert stored(simulator).keys() == set(range(1000)) - {300}
    assert len(simulator.requests) <= 2 * 10 + 1


def test_more_than_5000_lines_are_several_requests(simulator: InfluxdbSimulator) -> None:
    sink_for(simulator).deliver(payload(*map(event, range(11_000))))
    assert sent_lines(simulator) == [5000, 5000, 1000]


def test_a_request_that_is_too_large_is_halved_and_a_line_alone_is_set_aside(simulator: InfluxdbSimulator) -> None:
    simulator.max_body_bytes = 4_000
    big = event(500, page="".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(4_000)))
    with pytest.raises(PartlyRejected, match="HTTP 413") as caught:
        sink_for(simulator).deliver(payload(*map(event, range(500)), big))
    assert [part for part, _ in caught.value.parts] == [payload(big)]
    assert stored(simulator).keys() == set(range(500))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, ""),
        (400, "partial write: dropped 20 points outside retention policy of 1h - violates a Lower Bound"),
        (500, "unexpected error writing points to database: partial write: points beyond retention policy dropped=20"),
    ],
)
def test_events_beyond_the_retention_are_one_part_and_no_line_is_tried_alone(
    simulator: InfluxdbSimulator, status: int, message: str
) -> None:
    simulator.earliest_nanoseconds = NOW
    if message:
        simulator.fail(Answer.json({"error": message}, status=status), times=None)
    old = [event(number) for number in range(-20, 0)]
    with pytest.raises(PartlyRejected, match="retention policy") as caught:
        sink_for(simulator).deliver(payload(*map(event, range(20)), *old))
    assert [part for part, _ in caught.value.parts] == [payload(*old)]
    assert len(simulator.requests) == (2 if status == 500 else 1)  # 500 is tried once more


def test_a_server_that_takes_no_line_ends_gets_two_characters(simulator: InfluxdbSimulator) -> None:
    sink = sink_for(simulator)
    sink.deliver(payload(event(1), event(2, page="two\nlines"), event(3)))
    assert stored(simulator)[2]["page"] == "two\\nlines"
    before = len(simulator.requests)
    sink.deliver(payload(event(4, page="three\nmore"), event(5)))
    assert len(simulator.requests) == before + 1
    assert stored(simulator).keys() == {1, 2, 3, 4, 5}


def test_a_missing_database_is_made_and_a_refusal_to_make_it_keeps_the_events(simulator: InfluxdbSimulator) -> None:
    sink_for(simulator, target=Database("new")).deliver(payload(event(1)))
    assert stored(simulator).keys() == {1}
    simulator.may_create = False
    with pytest.raises(SinkRefused, match="the database does not exist, and making it failed: HTTP 403"):
        sink_for(simulator, target=Database("other")).deliver(payload(event(2)))


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_of_us_keeps_the_events(simulator: InfluxdbSimulator, status: int) -> None:
    simulator.fail(Answer.json({"error": "go away"}, status=status))
    with pytest.raises(SinkRefused, match=f"HTTP {status}"):
        sink_for(simulator).deliver(payload(event(1)))


def test_a_missing_bucket_keeps_the_events() -> None:
    with InfluxdbSimulator(version="2.7.12") as second, pytest.raises(SinkRefused, match='bucket \\\\"shop'):
        sink_for(second, api="v2", target=TARGETS["v2"][1]).deliver(payload(event(1)))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_heal_keeps_the_events_for_as_long_as_is_asked(simulator: InfluxdbSimulator, status: int) -> None:
    simulator.fail(Answer.json({"error": "timeout"}, status=status, headers={"Retry-After": "7"}), times=None)
    with pytest.raises(SinkUnavailable) as caught:
        sink_for(simulator).deliver(payload(event(1)))
    assert caught.value.retry_after_seconds == 7


def test_an_outage_amid_the_search_for_a_bad_line_keeps_everything(simulator: InfluxdbSimulator) -> None:
    sink = sink_for(simulator)
    simulator.fail(Answer.json({"error": "no"}, status=400), times=3)
    simulator.fail(Answer.json({"error": "timeout"}, status=503), times=2)
    with pytest.raises(SinkUnavailable):
        sink.deliver(payload(*map(event, range(100))))
    simulator.heal()
    sink.deliver(payload(*map(event, range(100))))
    assert stored(simulator).keys() == set(range(100))


def at_limit(dropped: int) -> Answer:
    reason = 'max-values-per-tag limit exceeded (9/9): measurement="analytics" tag="uid" value="u"'
    return Answer.json({"error": f"partial write: {reason} dropped={dropped}"}, status=400)


def tagged(simulator: InfluxdbSimulator) -> dict[int, set[str]]:
    """Return number -> the names of its tags."""
    assert len(simulator.points) == len(stored(simulator))
    return {point.nanoseconds - NOW: set(dict(point.tags)) for point in simulator.points}


def test_events_that_may_be_stored_keep_their_tags_after_an_outage(simulator: InfluxdbSimulator) -> None:
    sink = sink_for(simulator)
    simulator.fail(at_limit(1))
    simulator.fail(Answer.json({"error": "timeout"}, status=503), times=2)
    with pytest.raises(SinkUnavailable):
        sink.deliver(payload(event(1), event(2)))
    sink.deliver(payload(event(1), event(2), event(3)))
    sink.deliver(payload(event(2), event(4)))
    assert tagged(simulator) == {1: {"event", "uid"}, 2: {"event", "uid"}, 3: {"event"}, 4: {"event"}}


@pytest.mark.parametrize("generation", ["v1", "v2"], indirect=True)
def test_a_number_in_a_key_that_is_a_tag_makes_no_event_two_points(
    generation: tuple[InfluxdbSimulator, EventInfluxdbSink],
) -> None:
    simulator, sink = generation
    sink.deliver(payload(event(1, uid="aaa")))
    sink.deliver(payload(event(2, uid=7), event(3, uid="bbb")))
    sink.deliver(payload(event(4, uid="ccc"), event(5, uid=8.5)))
    assert tagged(simulator) == {number: {"event"} if number in (2, 5) else {"event", "uid"} for number in range(1, 6)}
    assert [str(stored(simulator)[number]["uid"]) for number in range(1, 6)] == ["aaa", "7", "bbb", "ccc", "8.5"]


def test_an_event_that_may_be_stored_in_another_form_keeps_its_tags(simulator: InfluxdbSimulator) -> None:
    reason = 'field type conflict: input field "v" on measurement "analytics" is type integer, already exists as type'
    simulator.fail(Answer.json({"error": f"partial write: {reason} float dropped=1"}, status=400))
    simulator.fail(at_limit(2))
    sink_for(simulator).deliver(payload(event(1, v=1), event(2)))
    assert tagged(simulator) == {1: {"event", "uid"}, 2: {"event", "uid"}}


def test_events_of_which_none_is_stored_go_without_the_tag_together(simulator: InfluxdbSimulator) -> None:
    simulator.fail(at_limit(2))
    sink_for(simulator).deliver(payload(event(1), event(2)))
    assert tagged(simulator) == {1: {"event"}, 2: {"event"}}
    assert len(simulator.requests) == 2


def test_a_posted_name_that_tells_of_the_retention_sets_nothing_aside(simulator: InfluxdbSimulator) -> None:
    name = "points beyond retention policy dropped=2"
    sink = sink_for(simulator)
    for number, value in enumerate((1, 1.5, 2)):
        sink.deliver(payload(event(number, **{name: value})))
    assert stored(simulator).keys() == {0, 1, 2}


def test_an_empty_200_is_a_delivery_and_a_page_is_none(simulator: InfluxdbSimulator) -> None:
    simulator.fail(Answer(200))
    sink_for(simulator).deliver(payload(event(1)))
    simulator.fail(HTML_PAGE)
    with pytest.raises(SinkRefused, match="HTTP 200, where InfluxDB says 204"):
        sink_for(simulator).deliver(payload(event(1)))


def test_a_stop_ends_the_search_for_a_bad_line(simulator: InfluxdbSimulator) -> None:
    sink = sink_for(simulator)

    def refuse(exchange: Exchange) -> None:
        sink.stop()
        exchange.send(Answer.json({"error": "no"}, status=400))

    simulator.fail(refuse)
    with pytest.raises(SinkUnavailable, match="asked to stop"):
        sink.deliver(payload(*map(event, range(100))))
    assert len(simulator.requests) == 1


def test_a_payload_of_something_else_is_rejected(simulator: InfluxdbSimulator) -> None:
    with pytest.raises(Rejected, match="not made of events"):
        sink_for(simulator).deliver(Payload(b"m v=1 1\n", 1, "line"))


def test_check_stores_nothing(generation: tuple[InfluxdbSimulator, EventInfluxdbSink]) -> None:
    simulator, sink = generation
    assert f"#events can be written to; the version of InfluxDB is {simulator.version}" in sink.check()
    assert simulator.points == ()
