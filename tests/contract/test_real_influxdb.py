"""InfluxdbSink against a real influxd 1.x: what was delivered is what it holds, and what it says is understood."""

import random
import re
import time
from pathlib import Path

import pytest

from importer.credentials import Secret
from importer.errors import Rejected, SinkRefused, SinkUnavailable
from importer.points import Labels, Payload, Point
from importer.sinks.influxdb import InfluxdbSink
from importer.sinks.influxdb_target import Database, Login
from importer.sinks.line_protocol import FieldValue, format_line
from tests.contract.test_real_graphite import EXACT_VALUES, HOSTS, MAY_2016, NAMES, UNICODE_NAMES, deliver_all, series
from tests.servers import Influxdb

DATABASE = 'the "shop" of May'
MAY_2016_MS = 1000 * MAY_2016

NASTY_TEXTS = (
    "plain",
    "a,b=c d",
    "=",
    ",",
    " ",
    " before and after ",
    '"quoted"',
    "'",
    '"',
    "#",
    "é 自転車 🍭",
    "a;b",
    "$1 % (x) {y}",
    "~`!@^&*|<>?",
)
"""What stays as it is in tags and texts."""
REPLACED = {"a\nb": "a b", "\t\x00\x85": "   ", "C:\\Temp\\": "C:/Temp/", "\\,": "/,", "\\\\ ": "// ", "\u2028|": " |"}


def sink_for(
    server: Influxdb,
    *,
    database: str = DATABASE,
    retention_policy: str | None = None,
    credentials: Login | None = None,
    max_buffer: int = 5000,
) -> InfluxdbSink:
    return InfluxdbSink(
        url=server.url,
        target=Database(database, retention_policy),
        credentials=credentials,
        max_buffer=max_buffer,
    )


def lines(*texts: str) -> Payload:
    return Payload("\n".join((*texts, "")).encode(), points=len(texts), format="line")


def labelled(*labels: Labels) -> list[Point]:
    return [Point(("labelled",), number, MAY_2016, pairs) for number, pairs in enumerate(labels)]


def held_tags(server: Influxdb, measurement: str) -> dict[float, dict[str, str]]:
    """Return value -> tags for the points of a measurement."""
    found = server.query(f'SELECT "value" FROM "{measurement}" GROUP BY *', database=DATABASE)
    return {
        value: {key: text for key, text in series["tags"].items() if text}
        for series in found
        for _, value in series["values"]
    }


def held_fields(server: Influxdb, measurement: str) -> dict[str, FieldValue]:
    """Return the fields of a measurement's only point."""
    (found,) = server.query(f'SELECT * FROM "{measurement}"', database=DATABASE)
    (values,) = found["values"]
    fields = dict(zip(found["columns"], values, strict=True))
    del fields["time"]
    return fields


def test_the_database_is_made_and_holds_every_digit(influxdb: Influxdb) -> None:
    deliver_all(sink_for(influxdb, max_buffer=3), series("digits", EXACT_VALUES))
    expected = {MAY_2016_MS + 1000 * index: float(value) for index, value in enumerate(EXACT_VALUES)}
    assert influxdb.read("test.digits", database=DATABASE) == expected


def test_measurements_have_the_names_of_graphite(influxdb: Influxdb) -> None:
    names = NAMES | UNICODE_NAMES
    deliver_all(sink_for(influxdb), [Point(path, 1, MAY_2016) for path in names])
    for name in names.values():
        assert influxdb.read(name, database=DATABASE) == {MAY_2016_MS: 1.0}


def test_a_fraction_of_a_second_is_kept_to_the_millisecond(influxdb: Influxdb) -> None:
    stamps = (0, 0.001, 1462147200.1, 1462147200.123, 1462147200.9996, 2**32 - 1, 2**32 - 0.0001)
    deliver_all(sink_for(influxdb), [Point(("stamps",), number, stamp) for number, stamp in enumerate(stamps)])
    assert list(influxdb.read("stamps", database=DATABASE)) == [
        0,
        1,
        1462147200100,
        1462147200123,
        1462147201000,
        4294967295000,
        4294967295999,
    ]


def test_whatever_stands_in_a_label_arrives(influxdb: Influxdb) -> None:
    texts = dict.fromkeys(NASTY_TEXTS) | REPLACED
    by_value = labelled(*((("label", text),) for text in texts))
    by_key = [Point(("keys",), number, MAY_2016, ((text, "x"),)) for number, text in enumerate(texts)]
    deliver_all(sink_for(influxdb), [*by_value, *by_key])
    expected = [replacement or text for text, replacement in texts.items()]
    assert held_tags(influxdb, "labelled") == {number: {"label": text} for number, text in enumerate(expected)}
    assert held_tags(influxdb, "keys") == {number: {text: "x"} for number, text in enumerate(expected)}


def test_labels_that_influxdb_cannot_have_are_renamed_or_left_out(influxdb: Influxdb) -> None:
    points = labelled(
        (("empty", ""), ("zone", "eu")),
        (("time", "noon"),),
        (("value", "high"),),
        (("_field", "f"), ("_measurement", "m")),
        (("", "nameless"),),
        (("a\n", "1"), ("a ", "2")),
    )
    deliver_all(sink_for(influxdb), points)
    assert held_tags(influxdb, "labelled") == {
        0: {"zone": "eu"},
        1: {"time_": "noon"},
        2: {"value_": "high"},
        3: {"_field_": "f", "_measurement_": "m"},
        4: {"_": "nameless"},
        5: {"a ": "1", "a _": "2"},
    }


def test_labels_just_as_long_as_we_let_them_be_are_taken(influxdb: Influxdb) -> None:
    sink = sink_for(influxdb)
    deliver_all(sink, labelled((("label", "x" * (65_000 - len("labelled,label="))),)))
    assert len(held_tags(influxdb, "labelled")[0]["label"]) == 65_000 - len("labelled,label=")
    assert sink.encode(labelled((("label", "x" * (65_001 - len("labelled,label="))),))) == []


def test_fields_of_every_type_are_read_as_they_were_written(influxdb: Influxdb) -> None:
    fields: dict[str, FieldValue] = {
        "whole": 2**63 - 1,
        "least": -(2**63),
        "float": 0.1 + 0.2,
        "tiny": 5e-324,
        "great": 1.7976931348623157e308,
        "yes": True,
        "no": False,
        "text": 'a "b" \\ c=d, \\',
        **{f"text {number}=,{text.strip()}": text for number, text in enumerate(NASTY_TEXTS)},
    }
    sink_for(influxdb).deliver(lines(format_line("an event, #1", [], fields, MAY_2016_MS)))
    assert held_fields(influxdb, "an event, #1") == fields


@pytest.mark.parametrize("name", ["#", "#a", " a", "a,b c=d", '"', "a\nb", "a\\"])
def test_no_measurement_is_lost_as_a_comment_or_breaks_the_line(influxdb: Influxdb, name: str) -> None:
    sink_for(influxdb).deliver(lines(format_line(name, [], {"value": 1.0}, MAY_2016_MS)))
    (found,) = influxdb.query("SHOW MEASUREMENTS", database=DATABASE)
    assert found["values"] == [[name.replace("#", "_").replace("\n", " ").replace("\\", "/")]]


def test_after_a_killed_influxd_is_back_the_kept_payload_arrives(influxdb: Influxdb) -> None:
    sink = sink_for(influxdb)
    deliver_all(sink, series("killed", [1.5]))
    influxdb.kill()
    (kept,) = sink.encode(series("killed", [1.5, 2.5])[1:])
    with pytest.raises(SinkUnavailable, match="refused"):
        sink.deliver(kept)
    influxdb.start()
    sink.deliver(kept)
    assert list(influxdb.read("test.killed", database=DATABASE).values()) == [1.5, 2.5]


def test_what_a_line_at_fault_travelled_with_is_stored(influxdb: Influxdb) -> None:
    sink = sink_for(influxdb)
    sink.deliver(lines("m value=1.0 1"))
    with pytest.raises(Rejected, match=r"field type conflict.*dropped=1"):
        sink.deliver(lines("m value=2.0 2", 'm value="text" 3', "m value=4.0 4"))
    with pytest.raises(Rejected, match="partial write: unable to parse 'nonsense'"):
        sink.deliver(lines("nonsense", "m value=5.0 5"))
    assert influxdb.read("m", database=DATABASE) == {1: 1.0, 2: 2.0, 4: 4.0, 5: 5.0}


def test_points_beyond_the_retention_policy_do_not_cost_the_others(influxdb: Influxdb) -> None:
    deliver_all(sink_for(influxdb, database="shop"), series("made", [1.5]))
    influxdb.query('CREATE RETENTION POLICY "hour" ON "shop" DURATION 1h REPLICATION 1')
    now = int(time.time())
    (payload,) = sink_for(influxdb).encode([Point(("m",), 1.5, MAY_2016), Point(("m",), 2.5, now)])
    with pytest.raises(Rejected, match="points beyond retention policy dropped=1"):
        sink_for(influxdb, database="shop", retention_policy="hour").deliver(payload)
    assert influxdb.read("m", database="shop") == {}
    assert influxdb.read("m", database="shop", retention_policy="hour") == {1000 * now: 2.5}


def test_a_retention_policy_that_is_not_there_is_our_mistake(influxdb: Influxdb) -> None:
    sink = sink_for(influxdb, retention_policy="none")
    (payload,) = sink.encode(series("m", [1.5]))
    with pytest.raises(SinkRefused, match="HTTP 500: retention policy not found: none; correct url"):
        sink.deliver(payload)


def test_a_database_of_an_impossible_name_is_our_mistake(influxdb: Influxdb) -> None:
    sink = sink_for(influxdb, database="a/b")
    (payload,) = sink.encode(series("m", [1.5]))
    with pytest.raises(SinkRefused, match="the database does not exist, and making it failed: invalid name"):
        sink.deliver(payload)


def test_a_payload_that_is_too_large_is_written_in_parts(tmp_path: Path) -> None:
    values = [number / 7 for number in range(2000)]
    with Influxdb(tmp_path / "small", max_body_bytes=2_000) as server:
        sink = sink_for(server)
        (payload,) = sink.encode(series("parts", values))
        sink.deliver(payload)
        assert list(server.read("test.parts", database=DATABASE).values()) == values


def test_a_line_that_is_too_large_does_not_cost_the_others(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(2_000).hex()
    with Influxdb(tmp_path / "small", max_body_bytes=1_000) as server:
        sink = sink_for(server)
        (payload,) = sink.encode(labelled((), (("label", noise),), (("zone", "eu"),)))
        with pytest.raises(Rejected, match="HTTP 413"):
            sink.deliver(payload)
        assert held_tags(server, "labelled") == {0: {}, 2: {"zone": "eu"}}


def test_a_full_cache_is_waited_for(tmp_path: Path) -> None:
    with Influxdb(tmp_path / "full", cache_bytes=1_000) as server:
        sink = sink_for(server)
        with pytest.raises(SinkUnavailable, match=r"HTTP 500: .*cache-max-memory-size exceeded"):
            deliver_all(sink, series("m", list(range(500))))


def test_a_user_who_may_write_does_and_others_are_refused(tmp_path: Path) -> None:
    admin = Login(Influxdb.username, Secret(Influxdb.password))
    reader = Login("reader", Secret("1234"))
    with Influxdb(tmp_path / "guarded", with_login=True) as server:
        deliver_all(sink_for(server, credentials=admin), series("m", [1.5]))
        assert server.read("test.m", database=DATABASE) == {MAY_2016_MS: 1.5}
        server.query("CREATE USER reader WITH PASSWORD '1234'")
        (payload,) = sink_for(server).encode(series("m", [2.5]))
        for credentials, database, complaint in (
            (None, DATABASE, "HTTP 401: .*the credentials are wrong"),
            (Login("admin", Secret("wrong")), DATABASE, "HTTP 401: .*authorization failed"),
            (reader, DATABASE, "HTTP 403: .*not authorized to write"),
            (reader, "other", "making it failed: HTTP 403: .*requires admin privilege"),
        ):
            sink = sink_for(server, database=database, credentials=credentials)
            with pytest.raises(SinkRefused, match=complaint):
                sink.deliver(payload)
        assert server.read("test.m", database=DATABASE) == {MAY_2016_MS: 1.5}


def test_check_tells_the_version_and_makes_nothing(tmp_path: Path) -> None:
    with Influxdb(tmp_path / "guarded", with_login=True) as server:
        admin = sink_for(server, credentials=Login(Influxdb.username, Secret(Influxdb.password)))
        assert re.fullmatch(r".* does not exist, and will be made; the version of InfluxDB is 1\.\S+", admin.check())
        assert server.query("SHOW DATABASES")[0].get("values", []) == []
        deliver_all(admin, series("m", [1.5]))
        assert " can be written to; " in admin.check()
        assert server.query("SHOW MEASUREMENTS", database=DATABASE)[0]["values"] == [["test.m"]]
        with pytest.raises(SinkRefused, match="HTTP 401"):
            sink_for(server).check()


@pytest.mark.server("influxd")
@pytest.mark.parametrize("host", HOSTS)
def test_influxd_is_reached_by_its_address(host: str, tmp_path: Path) -> None:
    with Influxdb(tmp_path / "store", host=host) as server:
        deliver_all(sink_for(server), series("address", [1.5]))
        assert server.read("test.address", database=DATABASE) == {MAY_2016_MS: 1.5}
