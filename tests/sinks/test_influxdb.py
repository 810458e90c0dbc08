import base64
import gzip
import logging
import socket
from collections.abc import Iterator

import pytest

from importer.credentials import Secret
from importer.errors import Rejected, SinkError, SinkRefused, SinkUnavailable
from importer.points import Payload, Point
from importer.simulators.base import HTML_PAGE, Fault, never, reset
from importer.simulators.http_wire import Answer, Request
from importer.simulators.influxdb import PASSWORD, TOKEN, USERNAME, InfluxdbSimulator
from importer.sinks.influxdb import InfluxdbSink
from importer.sinks.influxdb_target import Bucket, Database, Login, Token

POINT = Point(("shop", "Bike Shop", "dau"), 48213, 1462147200, (("zone", "eu west"),))
LINE = "shop.Bike_Shop.dau,zone=eu\\ west value=48213.0 1462147200000"
LOGIN = Login(USERNAME, Secret(PASSWORD))
API_TOKEN = Token(Secret(TOKEN))


def sink_for(
    simulator: InfluxdbSimulator,
    target: Database | Bucket | None = None,
    credentials: Login | Token | None = None,
    *,
    timeout_seconds: float = 30.0,
) -> InfluxdbSink:
    return InfluxdbSink(
        url=simulator.url,
        target=target or Database("shop"),
        credentials=credentials,
        timeout_seconds=timeout_seconds,
    )


def lines(*texts: str) -> Payload:
    return Payload("\n".join((*texts, "")).encode(), points=len(texts), format="line")


def values(simulator: InfluxdbSimulator) -> list[object]:
    return [point.fields["value"] for point in simulator.points]


def failure(sink: InfluxdbSink, payload: Payload) -> SinkError:
    with pytest.raises(SinkError) as caught:
        sink.deliver(payload)
    assert str(caught.value).startswith(f"{sink.lane}: ")
    return caught.value


@pytest.fixture
def simulator() -> Iterator[InfluxdbSimulator]:
    """InfluxDB 1.x with one database."""
    with InfluxdbSimulator(databases=("shop",)) as simulator:
        yield simulator


@pytest.fixture
def second() -> Iterator[InfluxdbSimulator]:
    """InfluxDB 2.x with one bucket."""
    with InfluxdbSimulator(version="2.7.12", databases=("shop",)) as simulator:
        yield simulator


@pytest.fixture
def third() -> Iterator[InfluxdbSimulator]:
    """InfluxDB 3.x, empty."""
    with InfluxdbSimulator(version="3.8.0") as simulator:
        yield simulator


def test_points_are_batched_by_max_buffer_and_keep_their_order() -> None:
    sink = InfluxdbSink(url="http://h", target=Database("shop"), max_buffer=3)
    payloads = sink.encode(Point(("n",), number, 60) for number in range(7))
    assert [payload.points for payload in payloads] == [3, 3, 1]
    assert {payload.format for payload in payloads} == {"line"}
    assert b"".join(payload.data for payload in payloads) == b"".join(b"n value=%d.0 60000\n" % n for n in range(7))


def test_a_payload_holds_5000_points_unless_told_otherwise() -> None:
    payloads = InfluxdbSink(url="http://h", target=Database("shop")).encode([POINT] * 5001)
    assert [payload.points for payload in payloads] == [5000, 1]


def test_preview_shows_the_lines_that_would_be_sent() -> None:
    sink = InfluxdbSink(url="http://h", target=Database("shop"))
    assert list(sink.preview([POINT])) == [LINE]
    assert sink.encode([POINT]) == [lines(LINE)]


@pytest.mark.parametrize(
    ("url", "target", "lane"),
    [
        ("http://influx.example:8086", Database("shop"), "influxdb://influx.example:8086/shop"),
        ("https://influx.example/db/", Database("shop", "a year"), "influxdb://influx.example/db/shop/a%20year"),
        ("http://[::1]:8086", Bucket("shop", "acme"), "influxdb://[::1]:8086/acme/shop"),
        ("influx.example", Bucket("a/b"), "influxdb://influx.example/a%2Fb"),
    ],
)
def test_the_lane_is_the_address_and_the_place_there(url: str, target: Database | Bucket, lane: str) -> None:
    assert InfluxdbSink(url=url, target=target).lane == lane


@pytest.mark.parametrize(
    ("version", "target", "path", "query"),
    [
        ("1.6.7", Database("shop"), "/write", {"db": "shop", "precision": "ms"}),
        ("1.6.7", Database("shop", "year"), "/write", {"db": "shop", "rp": "year", "precision": "ms"}),
        ("2.7.12", Bucket("shop", "acme"), "/api/v2/write", {"bucket": "shop", "org": "acme", "precision": "ms"}),
        ("3.8.0", Bucket("shop"), "/api/v2/write", {"bucket": "shop", "precision": "ms"}),
    ],
)
def test_a_payload_is_one_packed_request(
    version: str, target: Database | Bucket, path: str, query: dict[str, str]
) -> None:
    with InfluxdbSimulator(version=version, databases=("shop",)) as simulator:
        simulator.retention_policies.add("year")
        sink_for(simulator, target).deliver(lines(LINE))
        (request,) = simulator.requests
        assert (request.method, request.path, dict(request.query)) == ("POST", path, query)
        assert request.headers["content-encoding"] == "gzip"
        assert gzip.decompress(request.body) == f"{LINE}\n".encode()
        assert [(point.tags, point.nanoseconds) for point in simulator.points] == [
            ((("zone", "eu west"),), 1462147200 * 10**9)
        ]


def test_a_login_is_told_by_basic_authentication(simulator: InfluxdbSimulator) -> None:
    simulator.with_login = True
    sink_for(simulator, credentials=LOGIN).deliver(lines(LINE))
    encoded = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    assert simulator.requests[0].headers["authorization"] == f"Basic {encoded}"


def test_a_token_is_told_as_one(second: InfluxdbSimulator) -> None:
    second.with_login = True
    sink_for(second, Bucket("shop", "acme"), API_TOKEN).deliver(lines(LINE))
    assert second.requests[0].headers["authorization"] == f"Token {TOKEN}"


def test_without_credentials_none_are_told(simulator: InfluxdbSimulator) -> None:
    sink_for(simulator).deliver(lines(LINE))
    assert "authorization" not in simulator.requests[0].headers


def test_a_database_that_is_missing_is_made_once(simulator: InfluxdbSimulator) -> None:
    sink = sink_for(simulator, Database('the "other" one'))
    for _ in range(2):
        sink.deliver(lines(LINE))
    assert [request.path for request in simulator.requests] == ["/write", "/query", "/write", "/write"]
    assert simulator.requests[1].form == {"q": r'CREATE DATABASE "the \"other\" one"'}
    assert {point.database for point in simulator.points} == {'the "other" one'}


def test_a_database_that_may_not_be_made_is_our_mistake(simulator: InfluxdbSimulator) -> None:
    simulator.may_create = False
    error = failure(sink_for(simulator, Database("other")), lines(LINE))
    assert isinstance(error, SinkRefused)
    assert "the database does not exist, and making it failed: HTTP 403" in str(error)
    assert simulator.points == ()


def test_a_database_of_an_impossible_name_is_our_mistake_although_1_says_200(simulator: InfluxdbSimulator) -> None:
    error = failure(sink_for(simulator, Database("a/b")), lines(LINE))
    assert isinstance(error, SinkRefused)
    assert "the database does not exist, and making it failed: invalid name" in str(error)


@pytest.mark.parametrize("status", [400, 404])
def test_a_server_that_makes_no_databases_is_our_mistake(simulator: InfluxdbSimulator, status: int) -> None:
    simulator.fail(Answer(status), when="/query")
    error = failure(sink_for(simulator, Database("other")), lines(LINE))
    assert isinstance(error, SinkRefused)
    assert f"making it failed: HTTP {status}" in str(error)


def test_no_database_is_made_for_a_bucket(second: InfluxdbSimulator) -> None:
    """InfluxDB 1.8 has buckets too, which stand for a database and its retention policy."""
    second.fail(Answer.json({"error": 'database not found: "shop"'}, status=404))
    assert isinstance(failure(sink_for(second, Bucket("shop", "acme")), lines(LINE)), SinkRefused)
    assert second.request_count == 1


def test_a_database_that_cannot_be_made_now_is_waited_for(simulator: InfluxdbSimulator) -> None:
    simulator.fail(Answer(503), when="/query", times=2)
    sink = sink_for(simulator, Database("other"))
    assert isinstance(failure(sink, lines(LINE)), SinkUnavailable)
    sink.deliver(lines(LINE))
    assert values(simulator) == [48213.0]


def test_a_database_that_is_never_there_is_not_made_for_ever(simulator: InfluxdbSimulator) -> None:
    simulator.fail(Answer.json({"error": 'database not found: "shop"'}, status=404), when="/write", times=None)
    assert isinstance(failure(sink_for(simulator), lines(LINE)), SinkRefused)
    assert [request.path for request in simulator.requests] == ["/write", "/query", "/write"]


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        (Bucket("other", "acme"), 'bucket \\"other\\" not found'),
        (Bucket("shop", "other"), 'organization name \\"other\\" not found'),
        (Bucket("shop"), "Please provide either orgID or org; correct url"),
        (Database("shop"), "there is nothing at that address; correct url"),
    ],
)
def test_a_place_that_2_does_not_have_is_our_mistake(
    second: InfluxdbSimulator, target: Database | Bucket, complaint: str
) -> None:
    error = failure(sink_for(second, target), lines(LINE))
    assert isinstance(error, SinkRefused)
    assert complaint in str(error)
    assert second.request_count == 1


def test_a_name_that_3_cannot_have_is_our_mistake(third: InfluxdbSimulator) -> None:
    error = failure(sink_for(third, Bucket("the shop")), lines(LINE))
    assert isinstance(error, SinkRefused)
    assert "invalid character in database name" in str(error)


def test_a_retention_policy_that_is_missing_is_our_mistake_although_1_says_500(simulator: InfluxdbSimulator) -> None:
    error = failure(sink_for(simulator, Database("shop", "year")), lines(LINE))
    assert isinstance(error, SinkRefused)
    assert "HTTP 500: retention policy not found: year" in str(error)


@pytest.mark.parametrize("status", [401, 403, 405])
def test_a_refusal_names_what_to_correct_and_keeps_secrets(simulator: InfluxdbSimulator, status: int) -> None:
    simulator.fail(Answer(status), times=None)
    error = failure(sink_for(simulator, credentials=LOGIN), lines(LINE))
    assert isinstance(error, SinkRefused)
    assert "correct url, database or bucket, or the credentials of influxdb" in str(error)
    assert PASSWORD not in str(error)


@pytest.mark.parametrize("status", [200, 202])
def test_a_page_of_somebody_else_is_no_delivery(simulator: InfluxdbSimulator, status: int) -> None:
    simulator.fail(Answer(status, HTML_PAGE.headers, HTML_PAGE.body))
    error = failure(sink_for(simulator), lines(LINE))
    assert isinstance(error, SinkRefused)
    assert f"HTTP {status}, where InfluxDB says 204" in str(error)


def test_a_redirect_is_told_and_not_followed(simulator: InfluxdbSimulator) -> None:
    simulator.fail(Answer(307, {"Location": "https://elsewhere.example/write"}))
    error = failure(sink_for(simulator), lines(LINE))
    assert isinstance(error, SinkRefused)
    assert "https://elsewhere.example/write" in str(error)


@pytest.mark.parametrize(
    "message",
    [
        "timeout",
        "engine: cache-max-memory-size exceeded: (48000/20000)",
        "unexpected error writing points to database: engine: cache-max-memory-size exceeded: (48000/20000)",
    ],
)
def test_what_may_heal_is_tried_once_more_and_then_waited_for(simulator: InfluxdbSimulator, message: str) -> None:
    simulator.fail(Answer.json({"error": message}, status=500), times=2)
    sink = sink_for(simulator)
    error = failure(sink, lines(LINE))
    assert isinstance(error, SinkUnavailable)
    assert message in str(error)
    assert simulator.request_count == 2
    sink.deliver(lines(LINE))
    assert values(simulator) == [48213.0]


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_the_store_asks_for_is_the_lanes(simulator: InfluxdbSimulator, status: int) -> None:
    simulator.fail(Answer(status, {"Retry-After": "30"}), times=None)
    error = failure(sink_for(simulator), lines(LINE))
    assert isinstance(error, SinkUnavailable)
    assert error.retry_after_seconds == 30.0
    assert simulator.request_count == 1


@pytest.mark.parametrize("fault", [reset, never])
def test_an_answer_that_does_not_come_is_waited_for(simulator: InfluxdbSimulator, fault: Fault) -> None:
    simulator.fail(fault, times=None)
    assert isinstance(failure(sink_for(simulator, timeout_seconds=0.2), lines(LINE)), SinkUnavailable)


def test_a_refused_connection_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    sink = InfluxdbSink(url=f"http://127.0.0.1:{port}", target=Database("shop"))
    error = failure(sink, lines(LINE))
    assert isinstance(error, SinkUnavailable)
    assert "connection refused" in str(error)


@pytest.mark.parametrize(
    ("version", "target", "complaint"),
    [
        ("1.6.7", Database("shop"), "HTTP 400: .*partial write: field type conflict.*dropped=1"),
        ("2.7.12", Bucket("shop", "acme"), "HTTP 422: .*partial write: field type conflict.*dropped=1"),
        ("3.8.0", Bucket("shop"), "HTTP 400: .*partial write of line protocol occurred.*invalid column type"),
    ],
)
def test_a_line_at_fault_is_rejected_and_what_it_travelled_with_is_stored(
    version: str, target: Database | Bucket, complaint: str
) -> None:
    with InfluxdbSimulator(version=version, databases=("shop",)) as simulator:
        sink = sink_for(simulator, target)
        with pytest.raises(Rejected, match=complaint):
            sink.deliver(lines("m value=1.0 1", 'm value="text" 2', "m value=3.0 3"))
        assert values(simulator) == [1.0, 3.0]
        assert simulator.request_count == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer.json({"error": "unable to parse 'nonsense': missing fields"}, status=400),
        Answer.json({"error": 'partial write: measurement "retention policy not found" dropped=1'}, status=400),
        Answer.json({"error": ["of", "a", "kind", "unknown"]}, status=400),
        Answer.json(["unknown"], status=400),
        Answer(400, {}, b"\xff<html>"),
        Answer(422),
    ],
)
def test_any_other_complaint_about_the_payload_is_final(simulator: InfluxdbSimulator, answer: Answer) -> None:
    simulator.fail(answer)
    error = failure(sink_for(simulator), lines(LINE))
    assert isinstance(error, Rejected)
    assert simulator.request_count == 1


@pytest.mark.parametrize("status", [400, 500])
def test_points_that_a_cluster_has_queued_are_delivered(
    simulator: InfluxdbSimulator, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "importer")
    simulator.fail(Answer.json({"error": "write failed: hinted handoff queue not empty"}, status=status), times=None)
    sink_for(simulator).deliver(lines(LINE))
    assert "points wait inside the cluster" in caplog.text


def test_what_is_too_large_is_written_in_halves_each_line_once(simulator: InfluxdbSimulator) -> None:
    simulator.max_body_bytes = 100
    texts = [f"m{number * 7919} value={number}.0 {number}" for number in range(40)]
    sink_for(simulator).deliver(lines(*texts))
    assert values(simulator) == [float(number) for number in range(40)]
    taken = [request for request in simulator.requests if len(request.body) <= 100]
    assert b"".join(gzip.decompress(request.body) for request in taken) == lines(*texts).data


def test_a_single_line_that_is_too_large_is_rejected_and_the_others_are_stored(simulator: InfluxdbSimulator) -> None:
    def holds_the_great_one(request: Request) -> bool:
        return b"great" in gzip.decompress(request.body)

    simulator.fail(Answer(413), when=holds_the_great_one, times=None)
    error = failure(sink_for(simulator), lines("a value=1.0 1", "great value=2.0 1", "b value=3.0 1"))
    assert isinstance(error, Rejected)
    assert "HTTP 413: 18 bytes" in str(error)
    assert values(simulator) == [1.0, 3.0]


def test_of_several_parts_with_faults_each_is_written_and_the_first_fault_told(simulator: InfluxdbSimulator) -> None:
    simulator.fail(Answer(413))
    payload = lines("m value=1.0 1", 'm value="first" 2', "m value=3.0 3", "nonsense", "m value=5.0 5")
    error = failure(sink_for(simulator), payload)
    assert isinstance(error, Rejected)
    assert "field type conflict" in str(error)
    assert values(simulator) == [1.0, 3.0, 5.0]


def test_a_store_that_goes_away_between_two_halves_gets_all_of_it_later(simulator: InfluxdbSimulator) -> None:
    payload = lines("m value=1.0 1", "m value=2.0 2")
    simulator.fail(Answer(413))
    simulator.fail(Answer(503), when=lambda request: simulator.request_count > 2, times=2)
    sink = sink_for(simulator)
    assert isinstance(failure(sink, payload), SinkUnavailable)
    assert values(simulator) == [1.0]
    sink.deliver(payload)
    assert values(simulator) == [1.0, 2.0]


@pytest.mark.parametrize(
    "payload",
    [Payload(b"[]", points=1, format="rows"), Payload(b"m value=1.0 1", points=1, format="line"), lines()],
)
def test_a_damaged_or_foreign_payload_is_rejected_before_anything_is_sent(
    simulator: InfluxdbSimulator, payload: Payload
) -> None:
    assert isinstance(failure(sink_for(simulator), payload), Rejected)
    assert simulator.request_count == 0


@pytest.mark.parametrize(
    ("version", "target", "credentials"),
    [
        ("1.6.7", Database("shop"), LOGIN),
        ("2.7.12", Bucket("shop", "acme"), API_TOKEN),
        ("3.8.0", Bucket("shop"), API_TOKEN),
    ],
)
def test_check_tells_the_version_and_stores_nothing(
    version: str, target: Database | Bucket, credentials: Login | Token
) -> None:
    with InfluxdbSimulator(version=version, databases=("shop",), with_login=True) as simulator:
        sink = sink_for(simulator, target, credentials)
        assert sink.check() == f"{sink.lane} can be written to; the version of InfluxDB is {version}"
        assert simulator.points == ()


def test_check_tells_that_a_database_will_be_made_and_makes_none(simulator: InfluxdbSimulator) -> None:
    assert "does not exist, and will be made" in sink_for(simulator, Database("other")).check()
    assert simulator.databases == {"shop"}


def test_check_lives_with_a_store_that_does_not_tell_its_version(second: InfluxdbSimulator) -> None:
    second.fail(Answer(204), when="/ping")
    assert sink_for(second, Bucket("shop", "acme")).check().endswith("the version of InfluxDB is unknown")


@pytest.mark.parametrize(
    ("target", "credentials"),
    [
        (Bucket("shop", "acme"), Token(Secret("wrong-token"))),
        (Bucket("other", "acme"), API_TOKEN),
        (Bucket("shop"), API_TOKEN),
        (Database("shop"), API_TOKEN),
    ],
)
def test_check_finds_wrong_credentials_and_places(
    second: InfluxdbSimulator, target: Database | Bucket, credentials: Token
) -> None:
    second.with_login = True
    with pytest.raises(SinkRefused):
        sink_for(second, target, credentials).check()


def test_a_secret_is_masked_before_the_message_is_cut(simulator: InfluxdbSimulator) -> None:
    key = Secret("a token that stands at the cut").reveal()
    sink = sink_for(simulator)
    (payload,) = sink.encode([Point(("shop", "dau"), 1, 60)])
    for message in (f"database not found, {'x' * 270} {key}", f"retention policy not found {'x' * 260} {key}"):
        simulator.fail(Answer.json({"error": message}, status=400))
        assert key[:7] not in str(failure(sink, payload))
    simulator.fail(Answer(204, {"X-Influxdb-Version": f"{'1' * 70} {key}"}), when="/ping")
    assert key[:7] not in sink.check()
    simulator.fail(Answer.json({"error": 'database not found: "shop"'}, status=404))
    simulator.fail(Answer.json({"results": [{"error": f"{'x' * 285} {key}"}]}), when="/query")
    assert key[:7] not in str(failure(sink, payload))


@pytest.mark.parametrize("path", ["/ping", "/write"])
def test_check_refuses_what_is_no_influxdb(simulator: InfluxdbSimulator, path: str) -> None:
    simulator.fail(Answer(418), when=path)
    with pytest.raises(SinkRefused, match="HTTP 418"):
        sink_for(simulator).check()


@pytest.mark.parametrize(
    ("url", "max_buffer", "complaint"),
    [("", 1, "not an address"), ("http://a b", 1, "not an address"), ("http://influx", 0, "max_buffer 0")],
)
def test_an_impossible_address_or_size_is_refused(url: str, max_buffer: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        InfluxdbSink(url=url, target=Database("shop"), max_buffer=max_buffer)
