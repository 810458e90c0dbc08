"""Events in a real influxd 1.x: all of them get there, and are found as they were posted."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from importer.credentials import Secret
from importer.errors import PartlyRejected, SinkError, SinkRefused, SinkUnavailable
from importer.events.event import EVENTS_FORMAT, Event, Value
from importer.events.event_time import format_time
from importer.events.influxdb.lines import RESERVED
from importer.events.influxdb.query import InfluxdbQuery
from importer.events.influxdb.server import InfluxdbServer
from importer.events.influxdb.sink import EventInfluxdbSink
from importer.events.query import Query
from importer.events.tags import TagRule
from importer.points import Payload
from importer.sinks.influxdb_target import Database, Login
from tests.events.payloads import payload
from tests.servers import Influxdb

DATABASE = 'the "stats" of May'
TABLE = 'my "table", #1'
NOW = 1_795_307_635_738_123_456
ADMIN = Login(Influxdb.username, Secret(Influxdb.password))

ODD_TEXTS = (
    "",
    " ",
    " before and after ",
    "two\nlines",
    "\n",
    "end\n",
    "\r\n",
    "\t",
    "a\x00b",
    "\x7f\x85\u2028",
    "C:\\dir\\",
    "C:\\My Files",
    "\\",
    "\\\\",
    "\\ ",
    "\\,",
    "\\=",
    '\\"',
    '"',
    "'",
    "a,b=c d",
    ",",
    "=",
    "#",
    "# no comment",
    "é 自転車 🍭",
    "$1 % (x) {y}",
    "~`!@^&*|<>?;",
    "x" * 1_001,
    "3i",
    "true",
    "null",
    "NaN",
    "2016-04-25T12:29:48Z",
    "'; DROP DATABASE x; --",
)


@pytest.fixture
def build(influxdb: Influxdb) -> Iterator[Callable[..., EventInfluxdbSink]]:
    """`build(tags=...)` returns a sink of influxd, which is closed after the test."""
    sinks: list[EventInfluxdbSink] = []

    def make(
        tags: str | None = None, server: Influxdb = influxdb, credentials: Login | None = None
    ) -> EventInfluxdbSink:
        where = InfluxdbServer(server.url, "v1", Database(DATABASE), credentials)
        sinks.append(EventInfluxdbSink(where, table=TABLE, tags=TagRule.parse(tags)))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()


Build = Callable[..., EventInfluxdbSink]


def asked(server: Influxdb, *, table: str = TABLE, credentials: Login | None = None) -> InfluxdbQuery:
    return InfluxdbQuery(InfluxdbServer(server.url, "v1", Database(DATABASE), credentials), table=table)


def event(number: int, **fields: Value) -> Event:
    return Event(
        NOW + number, {"event": "shop.view", "uid": "s 1", "event_id": f"entry_{number}", "now": 1.5, **fields}
    )


def found(server: Influxdb, number: int) -> dict[str, object]:
    result = asked(server).find(f"entry_{number}")
    assert result is not None
    return result


def as_answered(sent: Event) -> dict[str, object]:
    return {"time": format_time(sent.time), **sent.fields}


def count(server: Influxdb, measurement: str = TABLE, field: str = "event_id") -> int:
    name = measurement.replace('"', '\\"')
    series = server.query(f'SELECT count("{field}") FROM "{name}"', database=DATABASE)
    return series[0]["values"][0][1] if series else 0


def exact(value: object) -> object:
    """Return a value that is equal to none of another type."""
    return (type(value), value)


def test_an_event_is_found_as_it_was_posted_with_every_digit_of_its_time(influxdb: Influxdb, build: Build) -> None:
    sent = event(1, qty=3, price=3.0, tiny=0.1, great=2**63 - 1, paid=True, note="", page="C:\\dir")
    build().deliver(payload(sent, event(2, other="x")))
    answer = found(influxdb, 1)
    assert answer["time"] == "2026-11-22T00:33:55.738123457Z"
    assert {name: exact(value) for name, value in answer.items()} == {
        name: exact(value) for name, value in as_answered(sent).items()
    }


def test_an_event_that_takes_the_place_of_others_is_the_one_that_is_found_and_listed(
    influxdb: Influxdb, build: Build
) -> None:
    """InfluxDB keeps a point for each set of tags, and gives those of one time in the order of these."""
    versions = [event(1, uid=uid, v=v, now=NOW / 1e9 + v) for v, uid in enumerate(["zz", "aa", "mm"])]
    for version in versions:
        build().deliver(payload(version))
    build().deliver(payload(event(2)))
    assert count(influxdb) == 4
    assert found(influxdb, 1) == as_answered(versions[-1])
    assert [listed["uid"] for listed in asked(influxdb).recent(Query())] == ["s 1", "mm"]


@pytest.mark.parametrize("tags", [None, "*", "event app_node"])
def test_odd_texts_arrive_whatever_becomes_a_tag(influxdb: Influxdb, build: Build, tags: str | None) -> None:
    chance = random.Random(4)
    made_up = ["".join(chance.choices('\\ ,="\n\t#a', k=chance.randint(1, 8))) for _ in range(100)]
    sent = [event(number, app_node=text, page=text) for number, text in enumerate((*ODD_TEXTS, *made_up))]
    build(tags).deliver(payload(*sent))
    assert count(influxdb) == len(sent)
    assert [found(influxdb, number) for number in range(len(sent))] == [as_answered(one) for one in sent]


def test_odd_names_break_nothing(influxdb: Influxdb, build: Build) -> None:
    names = [name for name in ODD_TEXTS if name and name.isprintable() and not name.endswith("\\")]
    names = [name for name in names if not any(f"\\{sign}" in name for sign in ' ,="')]
    sent = event(1, **dict.fromkeys(names, "x"))
    build().deliver(payload(sent))
    assert found(influxdb, 1) == as_answered(sent)


def test_names_that_cannot_be_written_are_told_apart(influxdb: Influxdb, build: Build) -> None:
    build().deliver(payload(event(1, **{"a\n": 1, "a ": 2, "b\\": 3, "c\\,": 4, "\n": 5, "\t\t": 6, 'd\\"': 7})))
    answer = found(influxdb, 1)
    assert {name: answer[name] for name in ("a ", "a _", "b/", "c/,", " ", " \t", 'd/"')} == {
        "a ": 2,
        "a _": 1,
        "b/": 3,
        "c/,": 4,
        " ": 5,
        " \t": 6,
        'd/"': 7,
    }


def test_reserved_names_get_another(influxdb: Influxdb, build: Build) -> None:
    build().deliver(payload(event(1, **dict.fromkeys(sorted(RESERVED), "x")), event(2, time_="is ours")))
    answer = found(influxdb, 1)
    assert {name for name, value in answer.items() if value == "x"} == {f"{name}_" for name in RESERVED}
    assert found(influxdb, 2)["time_"] == "is ours"
    assert count(influxdb) == 2


@pytest.mark.parametrize(
    "name", ["#", "#a", " a", "\ta", "\x00a", "a,b c=d", '"', "a\nb", "a\\", "a\\ b", "time", "_name"]
)
def test_points_of_any_measurement_are_stored(influxdb: Influxdb, build: Build, name: str) -> None:
    build().deliver(payload(Event(NOW, {"value": 1}, name, {"uid": "u"})))
    (series,) = influxdb.query("SHOW MEASUREMENTS", database=DATABASE)
    assert len(series["values"]) == 1
    (point,) = influxdb.query("SELECT * FROM /.*/", database=DATABASE)
    assert [dict(zip(point["columns"], row, strict=True)) for row in point["values"]] == [
        {"time": NOW // 10**6, "uid": "u", "value": 1}
    ]


KINDS: tuple[Value, ...] = ("text", 3, 2.5, 4.0, True, 2**53 + 1)


@pytest.mark.parametrize("first", KINDS[:3] + KINDS[4:5])
@pytest.mark.parametrize("name", ["v", "a b", "a,b=c", 'the "v"'])
def test_no_event_is_lost_for_the_type_of_a_value(influxdb: Influxdb, build: Build, first: Value, name: str) -> None:
    sink = build("event")
    sink.deliver(payload(event(0, **{name: first})))
    sink.deliver(payload(*(event(number, **{name: value}) for number, value in enumerate(KINDS, start=1))))
    for number, value in enumerate(KINDS, start=1):
        answer = found(influxdb, number)
        kind = {str: "string", int: "integer", float: "float", bool: "boolean"}[type(value)]
        held = answer.get(name, answer.get(f"{name}_{kind}"))
        assert held in (value, str(value), float(value) if not isinstance(value, str) else value), (number, answer)
    assert count(influxdb) == 1 + len(KINDS)


def test_two_types_of_a_new_field_in_one_payload_are_both_stored(influxdb: Influxdb, build: Build) -> None:
    sent = [event(number, v=(number, number + 0.5, "text", True)[number % 4]) for number in range(40)]
    sink = build("event")
    sink.deliver(payload(Event(0, {"value": 1}, "makes the database")))
    before = _writes(influxdb)
    sink.deliver(payload(*sent))
    assert count(influxdb) == 40
    assert _writes(influxdb) - before <= 3


def test_a_payload_of_many_types_costs_few_requests(influxdb: Influxdb, build: Build) -> None:
    sink = build("event")
    sink.deliver(payload(event(0, v=1, w="text", x=True)))
    sent = [event(number, v=number + 0.5, w=number, x="text") for number in range(1, 3001)]
    before = _writes(influxdb)
    sink.deliver(payload(*sent))
    assert count(influxdb) == 3001
    assert _writes(influxdb) - before <= 4
    sink.deliver(payload(*(event(number, v=number + 0.5, w=number, x="text") for number in range(3001, 3101))))
    assert _writes(influxdb) - before <= 5


def test_shards_that_are_at_odds_over_a_type_cost_few_requests(influxdb: Influxdb, build: Build) -> None:
    sink = build("event")
    month = 30 * 86_400 * 10**9
    sink.deliver(payload(event(0, v=1), event(-month, v=1.5)))
    sent = [event(number - month * (number % 2), v=number + number % 3 / 2) for number in range(1, 1001)]
    before = _writes(influxdb)
    sink.deliver(payload(*sent))
    assert count(influxdb) == 1002
    assert _writes(influxdb) - before <= 60


def _writes(server: Influxdb) -> int:
    for series in server.query("SHOW STATS FOR 'httpd'"):
        return int(dict(zip(series["columns"], series["values"][0], strict=True))["writeReq"])
    raise AssertionError("no statistics")


def test_the_name_that_a_value_moves_to_may_be_taken(influxdb: Influxdb, build: Build) -> None:
    sink = build("event")
    sink.deliver(payload(event(0, v=1), event(1, v_string=2.5)))
    sink.deliver(payload(event(2, v="text", v_string=3.5), event(3, v="text", v_string="own")))
    assert count(influxdb) == 4
    assert {"text", 3.5} <= set(found(influxdb, 2).values())
    assert {"text", "own"} <= set(found(influxdb, 3).values())


def test_delivering_again_changes_nothing(influxdb: Influxdb, build: Build) -> None:
    sent = payload(event(0, v=1), event(1, v=1.5), event(2, v="text"))
    build().deliver(sent)
    build().deliver(sent)
    assert count(influxdb) == 3


def test_one_line_at_fault_among_5000_costs_few_requests_and_no_other_line(influxdb: Influxdb, build: Build) -> None:
    sink = build()
    sent = [event(number) for number in range(5000)]
    bad = Event(NOW + 1234, {"value": 1}, "x" * 66_000)
    sent[1234] = bad
    sink.deliver(payload(event(5001)))
    before = _writes(influxdb)
    with pytest.raises(PartlyRejected) as caught:
        sink.deliver(payload(*sent))
    ((part, reason),) = caught.value.parts
    assert part == payload(bad)
    assert "HTTP 400" in reason
    assert _writes(influxdb) - before <= 27
    assert count(influxdb) == 5000


def test_a_damaged_line_is_set_aside_alone(influxdb: Influxdb, build: Build) -> None:
    data = b'nonsense\n{"time":5,"event":{}}\n' + payload(event(1)).data
    with pytest.raises(PartlyRejected) as caught:
        build().deliver(Payload(data, 3, EVENTS_FORMAT))
    assert sum(part.points for part, _ in caught.value.parts) == 2
    assert count(influxdb) == 1


def test_a_payload_of_more_than_5000_lines_is_written_in_parts(influxdb: Influxdb, build: Build) -> None:
    sink = build("event")
    sink.deliver(payload(event(-1)))
    before = _writes(influxdb)
    sink.deliver(payload(*map(event, range(12_000))))
    assert _writes(influxdb) - before == 3
    assert count(influxdb) == 12_001


def test_a_series_key_that_would_be_too_long_loses_tags_and_no_field(influxdb: Influxdb, build: Build) -> None:
    sent = event(1, **{f"key{number}": "é," * 490 + str(number) for number in range(60)})
    build().deliver(payload(sent))
    assert found(influxdb, 1) == as_answered(sent)
    (keys,) = influxdb.query("SHOW TAG KEYS", database=DATABASE)
    assert 25 < len(keys["values"]) < 60


def test_a_tag_of_too_many_values_becomes_a_field_and_no_event_is_lost(tmp_path: Path, build: Build) -> None:
    with Influxdb(tmp_path / "few", max_values_per_tag=20) as server:
        sink = build("event uid", server=server)
        sent = [event(number, uid=f"user-{number % 60}") for number in range(100)]
        sink.deliver(payload(*sent[:30]))
        sink.deliver(payload(*sent[30:]))
        sink.deliver(payload(*sent))
        assert count(server) == 100
        assert [found(server, number) for number in range(100)] == [as_answered(one) for one in sent]
        points = [Event(NOW + number, {"value": 1}, "voting", {"uid": f"user-{number}"}) for number in range(40)]
        sink.deliver(payload(*points[:30]))
        sink.deliver(payload(*points[30:]))
        assert count(server, "voting", "value") == 40
        assert count(server, "voting", "uid") == 10
        before = _writes(server)
        sink.deliver(payload(*(event(number, uid=f"user-{number}") for number in range(100, 200))))
        assert _writes(server) - before == 1
        assert count(server) == 200


def test_events_too_old_for_the_retention_are_set_aside_together(influxdb: Influxdb, build: Build) -> None:
    build().deliver(payload(event(0)))
    influxdb.query(f'CREATE RETENTION POLICY "hour" ON "{_quoted(DATABASE)}" DURATION 1h REPLICATION 1 DEFAULT')
    now = time.time_ns()
    old = [Event(now - 86_400 * 10**9 + number, {"event": "old", "event_id": f"old_{number}"}) for number in range(50)]
    new = [Event(now + number, {"event": "new", "event_id": f"new_{number}"}) for number in range(50)]
    mixed = [one for pair in zip(old, new, strict=True) for one in pair]
    with pytest.raises(PartlyRejected, match="beyond retention policy") as caught:
        build().deliver(payload(*mixed))
    assert [part for part, _ in caught.value.parts] == [payload(*old)]
    assert [one["event_id"] for one in asked(influxdb).recent(Query(limit=1000))] == [
        f"new_{number}" for number in reversed(range(50))
    ]


def _quoted(name: str) -> str:
    return name.replace('"', '\\"')


def test_a_database_that_goes_away_is_made_again(influxdb: Influxdb, build: Build) -> None:
    sink = build()
    sink.deliver(payload(event(1)))
    influxdb.query(f'DROP DATABASE "{_quoted(DATABASE)}"')
    assert asked(influxdb).find("entry_1") is None
    assert asked(influxdb).recent(Query()) == []
    sink.deliver(payload(event(2)))
    assert count(influxdb) == 1


def test_what_is_too_large_for_one_request_is_divided(tmp_path: Path, build: Build) -> None:
    noise = random.Random(1).randbytes(4_000).hex()
    with Influxdb(tmp_path / "small", max_body_bytes=3_000) as server:
        with pytest.raises(PartlyRejected, match="HTTP 413") as caught:
            build("event", server=server).deliver(payload(*map(event, range(500)), event(500, page=noise)))
        assert [part for part, _ in caught.value.parts] == [payload(event(500, page=noise))]
        assert count(server) == 500


def test_who_may_not_write_or_ask_is_told_and_loses_nothing(tmp_path: Path, build: Build) -> None:
    with Influxdb(tmp_path / "guarded", with_login=True) as server:
        wrong = Login("admin", Secret("wrong"))
        with pytest.raises(SinkRefused, match="HTTP 401"):
            build(server=server, credentials=wrong).deliver(payload(event(1)))
        build(server=server, credentials=ADMIN).deliver(payload(event(1)))
        assert asked(server, credentials=ADMIN).find("entry_1") == as_answered(event(1))
        for question in (asked(server, credentials=wrong), asked(server)):
            with pytest.raises(SinkRefused, match="HTTP 401"):
                question.find("entry_1")


def test_an_influxd_that_is_away_is_no_answer(influxdb: Influxdb, build: Build) -> None:
    build().deliver(payload(event(1)))
    influxdb.kill()
    failing: tuple[Callable[[], object], ...] = (
        lambda: asked(influxdb).find("entry_1"),
        lambda: asked(influxdb).recent(Query()),
        lambda: build().deliver(payload(event(2))),
    )
    for call in failing:
        with pytest.raises(SinkError) as caught:
            call()
        assert isinstance(caught.value, SinkUnavailable)


def test_events_of_the_old_service_have_no_twins(influxdb: Influxdb, build: Build) -> None:
    sink = build()
    sink.deliver(payload(event(1, extra="new", extra_1="new")))
    line = (
        "old,event=pnc.test,event_id=entry_old,now=1795307635.738,qty=3,uid=s\\ 1,v_1=x,a=k,a_1=k "
        'event="pnc.test",event_id="entry_old",now=1795307635.738,qty=3i,uid="s 1",v_1="x",a="k",a_1="k" 5\n'
    )
    sink._api.write(line.encode())  # as the old service wrote
    assert asked(influxdb, table="old").find("entry_old") == {
        "time": "1970-01-01T00:00:00.000000005Z",
        "event": "pnc.test",
        "event_id": "entry_old",
        "now": 1795307635.738,
        "qty": 3,
        "uid": "s 1",
        "v_1": "x",
        "a": "k",
        "a_1": "k",
    }
    assert found(influxdb, 1) == as_answered(event(1, extra="new", extra_1="new"))


@pytest.mark.parametrize("posted", ["Own-Id_1", "own.id", "É'\\x", 'a "b"', "a/b", "(a|b)*", " "])
def test_an_id_is_found_whatever_its_case(influxdb: Influxdb, build: Build, posted: str) -> None:
    build().deliver(payload(event(1, event_id=posted), event(2, event_id="another")))
    for spelt in (posted, posted.lower(), posted.upper()):
        answer = asked(influxdb).find(spelt)
        assert answer is not None
        assert answer["event_id"] == posted


@pytest.mark.parametrize(
    "asked_for",
    [
        "x' or uid='s 1",
        "x'",
        "x\\",
        "x\\' or 1=1 --",
        "'; DROP MEASUREMENT x",
        "entry_",
        "entry_.*",
        ".*",
        "\n",
        "\0",
        "",
    ],
)
def test_no_id_asks_for_anything_else(influxdb: Influxdb, build: Build, asked_for: str) -> None:
    build().deliver(payload(event(1)))
    assert asked(influxdb).find(asked_for) is None
    assert asked(influxdb).recent(Query(uid=asked_for or "none")) == []
    assert asked(influxdb).recent(Query(event=asked_for or "none")) == []
    assert count(influxdb) == 1


def test_lists_are_of_what_was_asked_newest_first(influxdb: Influxdb, build: Build) -> None:
    sent = [event(number, uid=f"user {number % 3}", event=("a", "b")[number % 2], f=3.0) for number in range(12)]
    build("event").deliver(payload(*sent))
    question = asked(influxdb)

    def numbers(**wanted: object) -> list[int]:
        return [int(str(one["event_id"])[6:]) for one in question.recent(Query(**wanted))]  # type: ignore[arg-type]

    assert numbers() == list(reversed(range(12)))
    assert numbers(limit=3) == [11, 10, 9]
    assert numbers(uid="user 1") == [10, 7, 4, 1]
    assert numbers(uid="user 1", event="a") == [10, 4]
    assert numbers(from_ns=NOW + 3, to_ns=NOW + 5) == [4, 3]
    assert numbers(uid="nobody") == []
    (newest,) = question.recent(Query(limit=1))
    assert newest == as_answered(sent[11])
    assert isinstance(newest["f"], float)
