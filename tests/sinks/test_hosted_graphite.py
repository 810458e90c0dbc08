from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.config import ObjectReader
from importer.credentials import Secret
from importer.errors import Rejected, SinkError, SinkRefused, SinkUnavailable
from importer.http_client import HttpClient, RetryPolicy
from importer.points import Payload, Point
from importer.simulators.faults import never
from importer.simulators.graphite import GraphiteReceiver, ReceivedPoint
from importer.simulators.hosted_graphite import (
    API_KEY,
    SINK_PATH,
    HostedGraphiteSimulator,
    TlsGraphiteReceiver,
    parse_lines,
)
from importer.simulators.http_wire import Answer
from importer.simulators.udp import DatagramReceiver
from importer.sinks.carbon_udp import MAX_DATAGRAM_BYTES
from importer.sinks.hosted_graphite import HostedGraphiteSink, lines_payload
from importer.sinks.plain_text import Names
from tests.http_servers import make_certificate
from tests.sinks.strategies import POINTS

KEY = Secret(API_KEY)
LINES = [
    "shop.web.errors 31.0 1549383600",
    "shop.web.errors 28.0 1549383720",
    "shop.web.errors 0.0 1549383840",
    "shop.web.errors 40.5 1549383960",
    "shop.web.errors 33.0 1549384080",
]
"""What leexportpy's Python 2 sent for an answer of the query API."""
RECEIVED = tuple(
    ReceivedPoint("shop.web.errors", time, value)
    for time, value in zip(range(1549383600, 1549384081, 120), (31.0, 28.0, 0.0, 40.5, 33.0), strict=True)
)
PAYLOAD = lines_payload(LINES)
IMPATIENT = RetryPolicy(extra_attempts=0, max_wait_seconds=0)


@pytest.fixture
def simulator() -> Iterator[HostedGraphiteSimulator]:
    with HostedGraphiteSimulator() as simulator:
        yield simulator


def http_sink(simulator: HostedGraphiteSimulator, *, timeout_seconds: float = 30.0) -> HostedGraphiteSink:
    client = HttpClient(simulator.url, retries=IMPATIENT, timeout_seconds=timeout_seconds)
    return HostedGraphiteSink(push_url=simulator.url + SINK_PATH, api_key=KEY, client=client)


def failure(sink: HostedGraphiteSink, payload: Payload = PAYLOAD) -> SinkError:
    with pytest.raises(SinkError) as caught:
        sink.deliver(payload)
    assert str(caught.value).startswith(f"{sink.lane}: ")
    assert API_KEY not in str(caught.value)
    return caught.value


def test_a_line_a_point_is_encoded_with_whole_seconds_cut_off() -> None:
    sink = HostedGraphiteSink(push_url="tcp://carbon.example", api_key=None)
    points = [
        Point(("shop", "Bike Shop", "6.6.1"), 12.0, 1700000040.999),
        Point(("shop",), 3, 1700000040, (("zone", "eu west"),)),
        Point(("shop",), 1234567890123.0, 0),
        Point(("shop",), 1e16, 0),
    ]
    (payload,) = sink.encode(points)
    assert payload == lines_payload(
        [
            "shop.Bike_Shop.6-6-1 12.0 1700000040",
            "shop.eu_west 3 1700000040",
            "shop 1234567890123.0 0",
            "shop 10000000000000000.0 0",
        ]
    )
    assert list(sink.preview(points)) == payload.data.decode().splitlines()


@given(st.lists(POINTS, max_size=5))
def test_the_vendor_reads_every_number_that_is_encoded(points: list[Point]) -> None:
    names = Names()
    expected = [
        ReceivedPoint(names[point.path, point.labels], float(int(point.timestamp)), float(point.value))
        for point in points
    ]
    payloads = HostedGraphiteSink(push_url="tcp://carbon.example", api_key=None).encode(points)
    assert [point for payload in payloads for point in parse_lines(payload.data)] == expected


def test_points_are_cut_into_payloads_and_names_that_are_too_long_left_out() -> None:
    sink = HostedGraphiteSink(push_url="tcp://carbon.example", api_key=None, max_buffer=3)
    points = [Point(("n", str(number)), number, 60) for number in range(7)]
    assert [payload.points for payload in sink.encode(points)] == [3, 3, 1]
    assert sink.encode([Point(("x" * 16_001,), 1, 60)]) == []


@pytest.mark.parametrize(
    ("push_url", "lane"),
    [
        (
            "https://www.hostedgraphite.com/api/v1/sink?key=secret",
            "hosted_graphite+https://www.hostedgraphite.com/api/v1/sink",
        ),
        ("http://127.0.0.1:8080/sink", "hosted_graphite+http://127.0.0.1:8080/sink"),
        ("tcp://carbon.hostedgraphite.com", "hosted_graphite+tcp://carbon.hostedgraphite.com:2003"),
        ("udp://carbon.hostedgraphite.com/", "hosted_graphite+udp://carbon.hostedgraphite.com:2003"),
        ("tls://carbon.hostedgraphite.com", "hosted_graphite+tls://carbon.hostedgraphite.com:20030"),
        ("tcp://[::1]:2014", "hosted_graphite+tcp://[::1]:2014"),
    ],
)
def test_the_lane_is_the_address_without_secrets(push_url: str, lane: str) -> None:
    assert HostedGraphiteSink(push_url=push_url, api_key=KEY).lane == lane
    assert HostedGraphiteSink(push_url=push_url, api_key=KEY, lane="a search").lane == "a search"


@pytest.mark.parametrize(
    "push_url",
    [
        "",
        "carbon.example:2003",
        "ftp://carbon.example",
        "tcp://",
        "tcp://carbon.example:0",
        "tcp://carbon.example:65536",
        "tcp://carbon example",
        "tcp://carbon.example/path",
        "tcp://secretkey@carbon.example",
        "tcp://carbon.example?secretkey",
        "tls://" + "ä" * 63 + ".example",
        "https://secretkey@www.hostedgraphite.com/api/v1/sink",
        "https:///api/v1/sink",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_in_one_line(push_url: str) -> None:
    with pytest.raises(ValueError, match=r"address|is not like") as caught:
        HostedGraphiteSink(push_url=push_url, api_key=KEY)
    assert "\n" not in str(caught.value)
    assert "secretkey" not in str(caught.value)


@pytest.mark.parametrize("key", ["two words", "a:b", "ä", "line\n"])
@pytest.mark.parametrize("push_url", ["tcp://carbon.example", "https://carbon.example"])
def test_a_key_that_would_break_a_line_or_a_header_is_refused_without_showing_it(push_url: str, key: str) -> None:
    with pytest.raises(ValueError, match=r"api_key holds blanks") as caught:
        HostedGraphiteSink(push_url=push_url, api_key=Secret(key))
    assert key not in str(caught.value)


def test_over_http_a_key_is_needed() -> None:
    with pytest.raises(ValueError, match="api_key is needed"):
        HostedGraphiteSink(push_url="https://www.hostedgraphite.com/api/v1/sink", api_key=None)


def test_a_max_buffer_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="max_buffer 0"):
        HostedGraphiteSink(push_url="tcp://carbon.example", api_key=None, max_buffer=0)


# HTTP


def test_lines_are_put_as_the_vendor_wants_them(simulator: HostedGraphiteSimulator) -> None:
    http_sink(simulator).deliver(PAYLOAD)
    assert simulator.points == RECEIVED
    (request,) = simulator.requests
    assert (request.method, request.path) == ("PUT", SINK_PATH)
    assert request.headers["content-type"] == "text/plain"
    assert request.body == "".join(f"{line}\n" for line in LINES).encode()
    assert API_KEY.encode() not in request.body


def test_a_query_in_the_address_is_kept(simulator: HostedGraphiteSimulator) -> None:
    sink = HostedGraphiteSink(push_url=f"{simulator.url}{SINK_PATH}?source=shop", api_key=KEY)
    sink.deliver(PAYLOAD)
    sink.close()
    assert simulator.requests[0].query == {"source": "shop"}


@pytest.mark.parametrize("status", [200, 202, 204])
def test_every_success_is_one(simulator: HostedGraphiteSimulator, status: int) -> None:
    simulator.fail(Answer(status))
    http_sink(simulator).deliver(PAYLOAD)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(400, body=b"bad metric"), Rejected),
        (Answer(401), SinkRefused),
        (Answer(403), SinkRefused),
        (Answer(404), SinkRefused),
        (Answer(301, {"Location": "https://elsewhere.example/"}), SinkRefused),
        (Answer(429), SinkUnavailable),
        (Answer(500), SinkUnavailable),
        (Answer(503), SinkUnavailable),
    ],
)
def test_an_answer_tells_what_is_to_be_done(
    simulator: HostedGraphiteSimulator, answer: Answer, kind: type[SinkError]
) -> None:
    simulator.fail(answer)
    error = failure(http_sink(simulator))
    assert type(error) is kind
    assert f"HTTP {answer.status}" in str(error)
    assert answer.body.decode() in str(error)


def test_a_wrong_key_names_what_to_mend(simulator: HostedGraphiteSimulator) -> None:
    simulator.api_key = "another"
    error = failure(http_sink(simulator))
    assert isinstance(error, SinkRefused)
    assert str(error).endswith("correct push_url, or the api_key of hosted_graphite")


def test_no_answer_is_unavailable(simulator: HostedGraphiteSimulator) -> None:
    simulator.fail(never)
    error = failure(http_sink(simulator, timeout_seconds=0.2))
    assert isinstance(error, SinkUnavailable)


def test_what_is_too_large_is_sent_in_halves(simulator: HostedGraphiteSimulator) -> None:
    simulator.max_body_bytes = 70
    http_sink(simulator).deliver(PAYLOAD)
    assert simulator.points == RECEIVED
    assert [len(request.body.splitlines()) for request in simulator.requests] == [5, 2, 3, 1, 2]


def test_a_half_that_is_rejected_does_not_keep_the_other_back(simulator: HostedGraphiteSimulator) -> None:
    simulator.max_body_bytes = 70
    first_half = "".join(f"{line}\n" for line in LINES[:2]).encode()
    simulator.fail(Answer(400, body=b"bad line"), when=lambda request: request.body == first_half)
    error = failure(http_sink(simulator))
    assert isinstance(error, Rejected)
    assert "bad line" in str(error)
    assert simulator.points == RECEIVED[2:]


def test_of_an_outage_between_halves_everything_is_kept(simulator: HostedGraphiteSimulator) -> None:
    simulator.max_body_bytes = 70
    simulator.fail(Answer(503), when=lambda request: request.body.startswith(LINES[3].encode()))
    sink = http_sink(simulator)
    assert isinstance(failure(sink), SinkUnavailable)
    sink.deliver(PAYLOAD)
    assert set(simulator.points) == set(RECEIVED)


def test_a_line_that_is_too_large_by_itself_is_rejected(simulator: HostedGraphiteSimulator) -> None:
    simulator.max_body_bytes = 10
    error = failure(http_sink(simulator))
    assert isinstance(error, Rejected)
    assert "HTTP 413" in str(error)
    assert simulator.points == ()


def test_a_stop_ends_the_wait_for_the_next_try(simulator: HostedGraphiteSimulator) -> None:
    simulator.fail(Answer(429, {"X-RateLimit-Reset": "59"}), times=None)
    sink = HostedGraphiteSink(push_url=simulator.url + SINK_PATH, api_key=KEY)
    with ThreadPoolExecutor() as pool:
        delivery = pool.submit(sink.deliver, PAYLOAD)
        simulator.wait_for(1)
        sink.stop()
        assert isinstance(delivery.exception(timeout=20), SinkUnavailable)
    sink.close()
    assert simulator.request_count == 1


def test_a_closed_sink_keeps_no_connection(simulator: HostedGraphiteSimulator) -> None:
    sink = http_sink(simulator)
    sink.deliver(PAYLOAD)
    assert simulator.open_connections == 1
    sink.close()
    simulator.wait_for_connections(0)


def test_over_http_check_tries_the_key_and_stores_nothing(simulator: HostedGraphiteSimulator) -> None:
    sink = http_sink(simulator)
    assert sink.check() == f"{sink.lane} answers"
    assert simulator.requests[0].body == b""
    assert simulator.points == ()
    simulator.api_key = "another"
    with pytest.raises(SinkRefused):
        sink.check()


# TCP, TLS, UDP


@pytest.mark.parametrize(("key", "prefix"), [(KEY, f"{API_KEY}."), (None, ""), (Secret(""), "")])
def test_over_tcp_each_name_begins_with_the_key_if_there_is_one(key: Secret | None, prefix: str) -> None:
    with GraphiteReceiver() as receiver:
        HostedGraphiteSink(push_url=f"tcp://127.0.0.1:{receiver.port}", api_key=key).deliver(PAYLOAD)
        receiver.wait_for_points(len(LINES))
        (connection,) = receiver.connections
        assert connection.raw.decode().splitlines() == [prefix + line for line in LINES]
        assert connection.problems == ()


def test_over_tcp_check_sends_nothing() -> None:
    with GraphiteReceiver() as receiver:
        sink = HostedGraphiteSink(push_url=f"tcp://127.0.0.1:{receiver.port}", api_key=KEY)
        assert sink.check() == f"{sink.lane} answers"
        assert receiver.connections[0].raw == b""


def test_over_tls_each_name_begins_with_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with TlsGraphiteReceiver(certificate.server_context()) as receiver:
        sink = HostedGraphiteSink(push_url=f"tls://127.0.0.1:{receiver.port}", api_key=KEY)
        sink.deliver(PAYLOAD)
        assert receiver.connections[0].raw.decode().splitlines() == [f"{API_KEY}.{line}" for line in LINES]
        assert sink.check() == f"{sink.lane} answers"


def test_over_tls_a_certificate_that_nobody_trusts_is_refused(tmp_path: Path) -> None:
    with TlsGraphiteReceiver(make_certificate(tmp_path).server_context()) as receiver:
        error = failure(HostedGraphiteSink(push_url=f"tls://127.0.0.1:{receiver.port}", api_key=KEY))
        assert isinstance(error, SinkRefused)


def test_over_udp_lines_go_in_datagrams_of_bounded_size_with_the_key() -> None:
    with DatagramReceiver() as receiver:
        sink = HostedGraphiteSink(push_url=f"udp://127.0.0.1:{receiver.port}", api_key=KEY)
        sink.deliver(lines_payload(LINES * 100))
        parts = receiver.wait_for_datagrams(5)
        assert all(len(part) <= MAX_DATAGRAM_BYTES for part in parts)
        assert b"".join(parts).decode().splitlines() == [f"{API_KEY}.{line}" for line in LINES * 100]


def test_over_udp_check_says_that_nobody_answers_and_sends_nothing() -> None:
    with DatagramReceiver() as receiver:
        sink = HostedGraphiteSink(push_url=f"udp://127.0.0.1:{receiver.port}", api_key=KEY)
        assert sink.check() == f"{sink.lane} resolves; by UDP nobody answers"
        sink.deliver(lines_payload(LINES[:1]))
        assert len(receiver.wait_for_datagrams(1)) == 1


@pytest.mark.parametrize("scheme", ["http", "tcp", "udp"])
def test_a_store_that_is_away_is_unavailable(scheme: str) -> None:
    with DatagramReceiver() as receiver:
        port = receiver.port
    push_url = f"{scheme}://127.0.0.1:{port}"
    client = HttpClient(push_url, retries=IMPATIENT) if scheme == "http" else None
    error = failure(HostedGraphiteSink(push_url=push_url, api_key=KEY, client=client))
    assert isinstance(error, SinkUnavailable)
    assert "connection refused" in str(error)


@pytest.mark.parametrize(
    "payload", [Payload(b"shop.dau 1 60\n", 1, "rows"), Payload(b"shop.dau 1 60", 1, "plain"), Payload(b"", 0, "plain")]
)
def test_a_damaged_or_foreign_payload_is_rejected_before_anything_is_sent(
    simulator: HostedGraphiteSimulator, payload: Payload
) -> None:
    assert isinstance(failure(http_sink(simulator), payload), Rejected)
    assert simulator.request_count == 0


# Configuration


def problems_of(keys: dict[str, object], tmp_path: Path) -> list[str]:
    reader = ObjectReader(tmp_path / "graphite.json", keys)
    HostedGraphiteSink.from_keys(reader, state=tmp_path).close()
    return [f"{problem.key}: {problem.what}" for problem in reader.problems]


def test_keys_describe_a_sink(tmp_path: Path, simulator: HostedGraphiteSimulator) -> None:
    (tmp_path / "key").write_text(f"{API_KEY}\n")
    keys = {"push_url": simulator.url + SINK_PATH, "api_key_file": "key", "max_buffer": "2"}
    reader = ObjectReader(tmp_path / "graphite.json", keys)
    sink = HostedGraphiteSink.from_keys(reader, state=tmp_path)
    reader.finish()
    payloads = sink.encode([Point(("n",), number, number) for number in range(3)])
    for payload in payloads:
        sink.deliver(payload)
    sink.close()
    assert [payload.points for payload in payloads] == [2, 1]
    assert len(simulator.points) == 3


def test_a_carbon_needs_no_key(tmp_path: Path) -> None:
    assert problems_of({"push_url": "tcp://carbon.example"}, tmp_path) == []


@pytest.mark.parametrize(
    ("keys", "problems"),
    [
        ({}, ["push_url: is missing"]),
        ({"push_url": "carbon"}, ["push_url: is not like"]),
        ({"push_url": "https://k@www.example/"}, ["push_url: an address must not hold a user name"]),
        ({"push_url": "https://www.example/"}, ["api_key: is missing; give it or api_key_file"]),
        ({"push_url": "https://www.example/", "api_key": "a b"}, ["api_key: holds blanks"]),
        ({"push_url": "udp://www.example", "api_key": "a b"}, ["api_key: holds blanks"]),
        ({"push_url": "udp://www.example", "api_key_file": "gone"}, ["api_key_file: "]),
        ({"push_url": "x", "api_key": 1, "max_buffer": 0}, ["push_url: ", "api_key: ", "max_buffer: "]),
    ],
)
def test_every_mistake_is_told_once(keys: dict[str, object], problems: list[str], tmp_path: Path) -> None:
    told = problems_of(keys, tmp_path)
    assert len(told) == len(problems)
    assert all(line.startswith(problem) for line, problem in zip(told, problems, strict=True))
