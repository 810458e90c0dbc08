"""Events looked up in InfluxDB 1.x, 2.x and 3.x, played by servers with recorded answers."""

import json
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.credentials import Secret
from importer.errors import SinkRefused, SinkUnavailable
from importer.events.influxdb.flux import flux_text, read_flux
from importer.events.influxdb.query import InfluxdbQuery, name_literal, text_literal
from importer.events.influxdb.server import InfluxdbServer
from importer.events.influxdb.versions import last_posted
from importer.events.query import Query
from importer.simulators.base import BROKEN_JSON, HTML_PAGE, HttpSimulator
from importer.simulators.http_wire import Answer, Request
from importer.sinks.influxdb_target import Bucket, Database, Login, Token

OLD_EVENT = {
    "name": "analytics",
    "columns": [
        "time",
        "app_node",
        "app_node_1",
        "event",
        "event_1",
        "event_id",
        "event_id_1",
        "now",
        "now_1",
        "qty_1",
    ],
    "values": [
        [
            "2016-04-25T12:29:48.84Z",
            None,
            None,
            "pnc.test",
            "pnc.test",
            "entry_d5",
            "entry_d5",
            1461587388.844,
            "1461587388.844",
            "own",
        ]
    ],
}
FOUND = {
    "time": "2016-04-25T12:29:48.840000000Z",
    "event": "pnc.test",
    "event_id": "entry_d5",
    "now": 1461587388.844,
    "qty_1": "own",
}
"""Of the old service: specification of stats-service, 2.4, influxdb_query_select_event.json; qty_1 is no twin."""
TIME = "2026-11-22T00:33:55.738123456Z"
ROWS = (
    "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,string,string,string,string,{kind}\r\n"
    ",result,table,_start,_stop,_time,_measurement,event,uid,_field,_value\r\n"
)
START = "1677-09-21T00:12:43.145224193Z,2262-04-11T23:47:16.854775807Z"


class Store(HttpSimulator):
    """Answers questions by a list, used up from the left; the last one is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Answer] = []
        self.route("GET", "/query", self._answer)
        self.route("POST", "/api/v2/query", self._answer)

    def _answer(self, _request: Request) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def statements(self) -> list[str]:
        return [request.query["q"] for request in self.requests]

    @property
    def scripts(self) -> list[str]:
        return [json.loads(request.body)["query"] for request in self.requests]


@pytest.fixture
def store() -> Iterator[Store]:
    """A store without answers."""
    with Store() as store:
        yield store


def results(*series: object) -> Answer:
    return Answer.json({"results": [{"statement_id": 0, "series": list(series)} if series else {"statement_id": 0}]})


def failed(reason: str, *, status: int = 200) -> Answer:
    content = {"results": [{"statement_id": 0, "error": reason}]} if status == 200 else {"error": reason}
    return Answer.json(content, status=status)


def v1(store: Store, *, table: str = "analytics") -> InfluxdbQuery:
    credentials = Login("bob", Secret("a password"))
    return InfluxdbQuery(InfluxdbServer(store.url, "v1", Database("stats"), credentials), table=table)


def v2(store: Store) -> InfluxdbQuery:
    target, credentials = Bucket('st"ats', "acme"), Token(Secret("a-token"))
    return InfluxdbQuery(InfluxdbServer(store.url, "v2", target, credentials), table="analytics")


def v3(store: Store) -> InfluxdbQuery:
    target, credentials = Bucket("stats"), Token(Secret("a-token"))
    return InfluxdbQuery(InfluxdbServer(store.url, "v3", target, credentials), table="analytics")


def test_an_event_of_the_old_service_has_no_twins_and_no_nulls(store: Store) -> None:
    store.answers = [results(OLD_EVENT)]
    assert v1(store).find("entry_d5") == FOUND
    assert store.statements[0] == 'SELECT * FROM "analytics" WHERE "event_id" = \'entry_d5\''
    request = store.requests[0]
    assert (request.method, request.path, request.query["db"]) == ("GET", "/query", "stats")
    assert request.headers["authorization"].startswith("Basic ")


def test_an_answer_without_types_is_shown_as_it_is(store: Store) -> None:
    store.answers = [results(OLD_EVENT), failed("error parsing query: found ::")]
    assert v1(store).find("entry_d5") == FOUND
    with pytest.raises(SinkRefused, match="error parsing query"):
        v1(store).recent(Query())


def test_an_id_and_a_table_are_escaped(store: Store) -> None:
    store.answers = [results()]
    assert v1(store, table='my-"table"').find("x' or uid='\\oisin") is None
    assert store.statements == [
        'SELECT * FROM "my-\\"table\\"" WHERE "event_id" = \'x\\\' or uid=\\\'\\\\oisin\'',
        'SELECT * FROM "my-\\"table\\"" WHERE "event_id" =~ '
        "/(?i)^x\\x{27}\\x{20}or\\x{20}uid\\x{3d}\\x{27}\\x{5c}oisin$/",
    ]


def test_an_id_is_looked_up_as_it_is_then_in_small_letters_then_in_any(store: Store) -> None:
    store.answers = [results()]
    assert v1(store).find("Own_É") is None
    assert [statement.rpartition('"event_id" ')[2] for statement in store.statements] == [
        "= 'Own_É'",
        "= 'own_é'",
        "=~ /(?i)^Own_\\x{c9}$/",
    ]


def test_who_does_not_know_regular_expressions_has_no_such_event(store: Store) -> None:
    store.answers = [results(), failed("error parsing query: found ~, expected", status=400)]
    assert v1(store).find("own") is None


@pytest.mark.parametrize(
    "answer",
    [
        failed("database not found: stats"),
        failed("database not found: stats", status=404),
        failed("measurement not found"),
        failed("table 'analytics' not found"),
        results(),
        Answer.json({"results": []}),
    ],
)
def test_what_is_not_there_has_no_events(store: Store, answer: Answer) -> None:
    store.answers = [answer]
    for question in (v1(store), v3(store)):
        assert question.find("entry_1") is None
        assert question.recent(Query()) == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (failed("timeout"), SinkUnavailable),
        (Answer.json({"error": "later"}, status=503), SinkUnavailable),
        (Answer.json({"error": "authorization failed"}, status=401), SinkRefused),
        (Answer.json({"error": "no"}, status=403), SinkRefused),
        (Answer.json({"error": "page not found"}, status=404), SinkRefused),
        (HTML_PAGE, SinkRefused),
        (BROKEN_JSON, SinkRefused),
        (Answer.json([1]), SinkRefused),
    ],
)
def test_a_store_that_cannot_be_asked_is_no_missing_event(store: Store, answer: Answer, kind: type[Exception]) -> None:
    store.answers = [answer]
    for question in (v1(store), v3(store)):
        with pytest.raises(kind):
            question.find("entry_1")
        with pytest.raises(kind):
            question.recent(Query())


def test_influxdb_3_is_asked_by_influxql_and_tells_types_itself(store: Store) -> None:
    columns = ["iox::measurement", "time", "event", "event_id", "f", "n", "x", "x_1"]
    row = ["analytics", "2026-11-22T00:33:55.738123456", "view", "e", 3.0, 3, "a", "a"]
    store.answers = [results({"name": "analytics", "columns": columns, "values": [row]})]
    event = v3(store).find("e")
    assert event == {"time": "2026-11-22T00:33:55.738123456", **dict(zip(columns[2:], row[2:], strict=True))}
    assert isinstance(event["f"], float)
    assert v3(store).recent(Query(uid="it's", from_ns=5, to_ns=9, limit=2)) == [event]
    assert store.statements == [
        'SELECT * FROM "analytics" WHERE "event_id" = \'e\'',
        'SELECT * FROM "analytics" WHERE "uid" = \'it\\\'s\' AND time >= 5 AND time < 9 ORDER BY time DESC LIMIT 2',
    ]
    assert store.requests[0].headers["authorization"] == "Token a-token"


def csv(*blocks: str) -> Answer:
    return Answer(200, {"Content-Type": "application/csv"}, "\r\n".join((*blocks, "")).encode())


def block(kind: str, *fields: tuple[str, str], time: str = TIME, uid: str = "u") -> str:
    rows = (f",_result,0,{START},{time},analytics,view,{uid},{name},{value}\r\n" for name, value in fields)
    return ROWS.format(kind=kind) + "".join(rows)


def times(*values: str) -> Answer:
    rows = "".join(f",_result,0,{value}\r\n" for value in values)
    return csv(f"#datatype,string,long,dateTime:RFC3339\r\n,result,table,_time\r\n{rows}")


EVENT_2 = csv(
    block("string", ("event", "view"), ("uid", ""), ("event_id", "Entry_1"), ("page", '"two\r\nlines, ""x"""')),
    block("double", ("f", "3")),
    block("long", ("n", "3")),
    block("boolean", ("ok", "true"), ("off", "false")),
    block("string", ("event_id", "another"), uid="v"),
)


def test_influxdb_2_is_asked_by_flux_for_the_time_and_then_for_the_fields(store: Store) -> None:
    store.answers = [times(TIME), EVENT_2]
    event = v2(store).find("eNTRY_1")
    assert event == {
        "time": TIME,
        "event": "view",
        "uid": "",
        "event_id": "Entry_1",
        "page": 'two\r\nlines, "x"',
        "f": 3.0,
        "n": 3,
        "ok": True,
        "off": False,
    }
    assert (type(event["f"]), type(event["n"])) == (float, int)
    first, second = store.scripts
    assert 'from(bucket: "st\\x22ats")' in first
    assert 'strings.toLower(v: r._value) == "entry_1"' in first
    assert f"range(start: {TIME}, stop: 2026-11-22T00:33:55.738123457Z)" in second
    assert (store.requests[0].query["org"], store.requests[0].headers["authorization"]) == ("acme", "Token a-token")


def test_a_list_of_influxdb_2_is_newest_first_and_of_what_was_asked(store: Store) -> None:
    earlier = "2026-11-22T00:33:55.7Z"
    answer = csv(
        block("string", ("uid", "u"), ("event_id", "a"), time=earlier),
        block("string", ("uid", "u"), ("event_id", "b")),
        block("string", ("uid", "v"), ("event_id", "c"), uid="v"),
    )
    store.answers = [times(TIME, earlier), answer]
    found = v2(store).recent(Query(uid="u", from_ns=0, to_ns=9, limit=5))
    assert [event["event_id"] for event in found] == ["b", "a"]
    first, second = store.scripts
    assert "range(start: 1970-01-01T00:00:00.000000000Z, stop: 1970-01-01T00:00:00.000000009Z)" in first
    assert 'filter(fn: (r) => r.uid == "u")' in first
    assert "limit(n: 5)" in first
    assert f"set: [2026-11-22T00:33:55.700000000Z, {TIME}]" in second


VERSIONS = [[TIME, "DUP", 20.5, 2], [TIME, "DUP", 30.5, 3], [TIME, "DUP", 10.5, 1], ["2026-11-22T01:00:00Z", "b", 0, 9]]


@pytest.mark.parametrize("version", [v1, v3])
def test_of_the_points_of_one_id_the_one_that_was_posted_last_is_the_event(
    store: Store, version: Callable[[Store], InfluxdbQuery]
) -> None:
    columns = ["time", "event_id", "now", "v"]
    store.answers = [results({"name": "analytics", "columns": columns, "values": VERSIONS[:3]})]
    event = {"time": TIME, "event_id": "DUP", "now": 30.5, "v": 3}
    assert version(store).find("DUP") == event
    store.answers = [results({"name": "analytics", "columns": columns, "values": VERSIONS[::-1]})]
    assert [found["v"] for found in version(store).recent(Query())] == [9, 3]


def test_of_the_points_of_one_id_in_influxdb_2_the_one_that_was_posted_last_is_the_event(store: Store) -> None:
    later = "2026-11-22T01:00:00Z"
    points = csv(
        *(block("string", ("event_id", "DUP"), uid=uid) for uid in ("aa", "zz")),
        block("string", ("event_id", "DUP"), time=later),
        block("double", ("now", "30.5"), ("v", "3"), uid="aa"),
        block("double", ("now", "20.5"), ("v", "2"), uid="zz"),
        block("double", ("now", "10.5"), ("v", "1"), time=later),
    )
    store.answers = [times(later, TIME), points]
    found = v2(store).find("dup")
    assert found is not None
    assert found["v"] == 3.0
    store.answers = [times(later, TIME), points]
    assert v2(store).recent(Query()) == [found]


@pytest.mark.parametrize(
    ("rows", "last"),
    [
        ([{"now": 1, "v": 1}, {"now_float": 1.5e9, "v": 2}, {"now": 2, "v": 3}], 2),
        ([{"now": "9.5", "v": 1}, {"now": "10", "v": 2}], 2),
        ([{"now": "Mon 25 Apr", "v": 1}, {"v": 2}], 2),
    ],
)
def test_now_may_have_any_type(rows: list[dict[str, object]], last: int) -> None:
    assert last_posted(rows)["v"] == last
    assert last_posted(rows[:1])["v"] == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer.json({"code": "not found", "message": 'could not find bucket "stats"'}, status=404),
        Answer.json({"code": "not found", "message": 'bucket "stats" not found'}, status=404),
        csv(""),
    ],
)
def test_influxdb_2_without_the_bucket_or_any_row_has_no_events(store: Store, answer: Answer) -> None:
    store.answers = [answer]
    assert v2(store).find("entry_1") is None
    assert v2(store).recent(Query()) == []
    assert v2(store).recent(Query(from_ns=9, to_ns=9)) == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (csv("#datatype,string,string\r\n,error,reference\r\n,it broke,897\r\n"), SinkUnavailable),
        (Answer.json({"code": "unauthorized", "message": "no"}, status=401), SinkRefused),
        (Answer.json({"code": "not found", "message": 'organization "x" not found'}, status=404), SinkRefused),
        (Answer.json({"code": "invalid", "message": "bad script"}, status=400), SinkRefused),
        (Answer.json({"code": "unavailable", "message": "later"}, status=503), SinkUnavailable),
        (HTML_PAGE, SinkRefused),
        (csv("#datatype,string\r\n,a\r\n,1,2,3\r\n"), SinkRefused),
    ],
)
def test_influxdb_2_that_cannot_be_asked_is_no_missing_event(
    store: Store, answer: Answer, kind: type[Exception]
) -> None:
    store.answers = [answer]
    with pytest.raises(kind):
        v2(store).find("entry_1")
    with pytest.raises(kind):
        v2(store).recent(Query())


def test_a_long_text_of_influxdb_2_is_read() -> None:
    text = "x" * 1_000_000
    (row,) = read_flux(
        "lane", f"#datatype,string\r\n,_value\r\n,{text}\r\n".replace("#datatype,", "#datatype,").encode()
    )
    assert row["_value"] == text


@given(st.text())
def test_no_text_ends_a_literal(text: str) -> None:
    influxql, name, flux = text_literal(text), name_literal(text), flux_text(text)
    assert _unescaped(influxql, "'") == text
    assert _unescaped(name, '"') == text
    assert not set(flux[1:-1]) & {'"', "$", "\n"}
    assert flux[1:-1].encode().decode("unicode_escape" if text.isascii() else "utf-8") == text or not text.isascii()


def _unescaped(literal: str, quote: str) -> str:
    """Read a literal to its first quote, which has to be its end."""
    found, position = "", 1
    while literal[position] != quote:
        if literal[position] == "\\":
            position += 1
            found += "\n" if literal[position] == "n" else literal[position]
        else:
            found += literal[position]
        position += 1
    assert position == len(literal) - 1
    return found
