"""Each event is one point of a real influxd 1.x, with the tags that it should have, whatever is refused on the way."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from importer.events.event import Event, Value
from importer.events.influxdb.server import InfluxdbServer
from importer.events.influxdb.sink import EventInfluxdbSink
from importer.events.tags import TagRule
from importer.sinks.influxdb_target import Database
from tests.events.payloads import payload
from tests.servers import Influxdb

DATABASE = "stats"
TABLE = "analytics"
NOW = 1_795_307_635_738_123_456


@pytest.fixture
def build(influxdb: Influxdb) -> Iterator[Callable[..., EventInfluxdbSink]]:
    """`build(tags)` returns a sink of influxd, which is closed after the test."""
    sinks: list[EventInfluxdbSink] = []

    def make(tags: str | None = None, server: Influxdb = influxdb) -> EventInfluxdbSink:
        where = InfluxdbServer(server.url, "v1", Database(DATABASE), credentials=None)
        sink = EventInfluxdbSink(where, table=TABLE, tags=TagRule.parse(tags))
        sinks.append(sink)
        return sink

    yield make
    for sink in sinks:
        sink.close()


Build = Callable[..., EventInfluxdbSink]


def event(number: int, **fields: Value) -> Event:
    return Event(NOW + number, {"event": "shop.view", "uid": "s 1", "event_id": f"entry_{number}", **fields})


def series_of(
    server: Influxdb, field: str = "event_id", measurement: str = TABLE
) -> dict[object, list[dict[str, str]]]:
    """Return each value of a field -> the tags of every point that has it."""
    found: dict[object, list[dict[str, str]]] = {}
    for series in server.query(f'SELECT "{field}" FROM "{measurement}" GROUP BY *', database=DATABASE):
        for _, value in series["values"]:
            found.setdefault(value, []).append({tag: text for tag, text in series["tags"].items() if text})
    return found


def texts(server: Influxdb, field: str) -> dict[int, object]:
    """Return the number of each event that has a field -> what it has."""
    (table,) = server.query(f'SELECT "event_id", "{field}"::field FROM "{TABLE}"', database=DATABASE)
    return {int(event_id[6:]): value for _, event_id, value in table["values"] if value is not None}


def as_tagged(*sent: Event, tags: str | None = None) -> dict[object, list[dict[str, str]]]:
    """Return what `series_of` gives where each event is stored once, with all of its tags."""
    rule = TagRule.parse(tags)
    return {one.event_id: [rule.tags_of(dict(one.fields))] for one in sent}


def test_a_number_in_a_key_that_is_a_tag_costs_no_event_its_tags(influxdb: Influxdb, build: Build) -> None:
    sink = build()
    sent = [event(1, uid="aaa"), event(2, uid=7), event(3, uid="bbb"), event(4, uid="ccc"), event(5, uid=8)]
    sink.deliver(payload(sent[0]))
    sink.deliver(payload(*sent[1:3]))
    sink.deliver(payload(*sent[3:]))
    assert series_of(influxdb) == as_tagged(*sent)
    assert texts(influxdb, "uid")[2] == "7"


@pytest.mark.parametrize("posted", [("a", 5, "b"), (5, "a", "b"), (True, "a", 2.5, 3, "b")])
def test_values_of_many_types_are_tags_where_they_are_listed(
    influxdb: Influxdb, build: Build, posted: tuple[Value, ...]
) -> None:
    sink = build("event app_node")
    sent = [event(number, event=value) for number, value in enumerate(posted)]
    after = event(90, event="after", app_node="n")
    sink.deliver(payload(*sent))
    sink.deliver(payload(after))
    assert series_of(influxdb) == as_tagged(*sent, after, tags="event app_node")


def test_a_listed_tag_that_was_text_may_be_a_number(influxdb: Influxdb, build: Build) -> None:
    sink = build("event app_node")
    sent = [event(1, app_node="n1"), event(2, app_node=7), event(3, app_node="n1"), event(4, app_node="n2")]
    sink.deliver(payload(sent[0]))
    sink.deliver(payload(*sent[1:3]))
    sink.deliver(payload(sent[3]))
    assert series_of(influxdb) == as_tagged(*sent, tags="event app_node")


def test_one_number_among_many_events_doubles_none(influxdb: Influxdb, build: Build) -> None:
    sink = build("event app_node")
    sent = [event(number, event=5 if number == 20 else f"e{number % 7}") for number in range(68)]
    sink.deliver(payload(*sent[:10]))
    sink.deliver(payload(*sent[10:40]))
    sink.deliver(payload(*sent[40:]))
    assert series_of(influxdb) == as_tagged(*sent, tags="event app_node")


def test_a_text_that_is_moved_to_another_field_is_still_the_tag(influxdb: Influxdb, build: Build) -> None:
    sink = build()
    sent = [event(1, n=1), event(2, n="s"), event(3, n=2), event(4, n="t")]
    sink.deliver(payload(sent[0]))
    sink.deliver(payload(*sent[1:3]))
    sink.deliver(payload(sent[3]))
    assert series_of(influxdb) == as_tagged(*sent)
    assert texts(influxdb, "n_string") == {2: "s", 4: "t"}


def test_a_point_keeps_its_tag_whatever_becomes_of_the_field_of_that_name(influxdb: Influxdb, build: Build) -> None:
    sink = build()
    posted: list[tuple[dict[str, str], Value]] = [({}, "text"), ({"t": "c"}, 5), ({"t": "d"}, "text"), ({"t": "e"}, 6)]
    sent = [Event(NOW + number, {"t": value, "id": number}, "m", tags) for number, (tags, value) in enumerate(posted)]
    sink.deliver(payload(sent[0]))
    sink.deliver(payload(*sent[1:3]))
    sink.deliver(payload(sent[3]))
    assert series_of(influxdb, "id", "m") == {number: [tags] for number, (tags, _) in enumerate(posted)}
    (table,) = influxdb.query('SELECT "t"::field FROM "m"', database=DATABASE)
    assert [value for _, value in table["values"]] == ["text", "5", "text", "6"]


@pytest.mark.parametrize("tags", [None, "*", "event a b"])
@pytest.mark.parametrize("seed", range(3))
def test_no_event_has_two_series_whatever_its_types_and_times(
    influxdb: Influxdb, build: Build, tags: str | None, seed: int
) -> None:
    chance = random.Random(seed)
    month = 30 * 86_400 * 10**9
    sent = []
    for number in range(120):
        keys = chance.sample(("event", "uid", "a", "b", "a_string"), 3)
        one = event(number, **{key: chance.choice(("x", "y", 3, 2.5, True)) for key in keys})
        sent.append(Event(one.time - month * chance.randrange(3), one.fields))
    sink = build(tags)
    for start in range(0, 120, 20):
        sink.deliver(payload(*sent[start : start + 20]))
    build(tags).deliver(payload(*sent))
    assert series_of(influxdb) == as_tagged(*sent, tags=tags)


def test_a_refusal_of_types_and_of_a_tag_together_doubles_none(tmp_path: Path, build: Build) -> None:
    with Influxdb(tmp_path / "few", max_values_per_tag=20) as server:
        sink = build("event uid", server=server)
        first = [event(number, uid=f"user-{number}", v=1, w=1) for number in range(20)]
        sink.deliver(payload(*first))
        uids = [f"user-{number}" for number in range(15, 35)]
        sent = [event(100 + number, uid=uid, v=(1, "s", 1.5)[number % 3], w=1.5) for number, uid in enumerate(uids)]
        sink.deliver(payload(*sent))
        held = series_of(server)
        assert held.keys() == as_tagged(*first, *sent).keys()
        assert {len(stored) for stored in held.values()} == {1}


def test_events_of_any_time_keep_their_tags_when_they_are_delivered_again(tmp_path: Path, build: Build) -> None:
    with Influxdb(tmp_path / "few", max_values_per_tag=20) as server:
        sink = build("event uid", server=server)
        year = 365 * 86_400 * 10**9
        first = [event(number * year // 20, uid=f"user-{number}") for number in range(20)]
        sink.deliver(payload(*first))
        sink.deliver(payload(event(30, uid="user-30"), event(31, uid="user-31")))
        sink.deliver(payload(*first))
        assert {event_id: held for event_id, held in series_of(server).items() if len(held) > 1} == {}


def test_a_name_that_tells_of_a_tag_limit_drops_no_tag(influxdb: Influxdb, build: Build) -> None:
    sink = build("event")
    name = 'max-values-per-tag limit exceeded (1/1): measurement="analytics" tag="event" value="'
    sent = [event(1, **{name: 1}), event(2, **{name: 1.5}), event(3)]
    for one in sent:
        sink.deliver(payload(one))
    assert series_of(influxdb) == as_tagged(*sent, tags="event")
