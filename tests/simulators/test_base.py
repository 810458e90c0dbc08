"""The frame of the HTTP simulators: routes, the record of requests, and what is no request."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from importer.simulators.base import HttpSimulator
from importer.simulators.http_wire import MAX_BODY_BYTES, Answer, Request
from tests.simulators.http_clients import ANSWER, TIMEOUT_SECONDS, add_routes, exchange_raw, get


def test_a_route_answers_and_the_request_is_on_record(simulator: HttpSimulator, session: requests.Session) -> None:
    response = session.get(
        simulator.url + "/answer",
        params={"a": "1 2", "empty": ""},
        headers={"X-Odd": "yes"},
        timeout=TIMEOUT_SECONDS,
    )
    assert (response.status_code, response.json()) == (200, ANSWER)
    (request,) = simulator.requests
    assert (request.index, request.method, request.path) == (0, "GET", "/answer")
    assert request.query == {"a": "1 2", "empty": ""}
    assert request.headers["x-odd"] == "yes"
    assert request.body == b""


def test_a_body_arrives_whole(simulator: HttpSimulator, session: requests.Session) -> None:
    body = bytes(range(256)) * 4000
    response = session.post(simulator.url + "/answer", data=body, timeout=TIMEOUT_SECONDS)
    assert (response.status_code, response.content) == (201, body)
    assert simulator.requests[0].body == body


def test_json_and_forms_can_be_read_from_a_request(simulator: HttpSimulator, session: requests.Session) -> None:
    session.post(simulator.url + "/answer", json={"a": [1]}, timeout=TIMEOUT_SECONDS)
    session.post(simulator.url + "/answer", data={"user": "a&b", "none": ""}, timeout=TIMEOUT_SECONDS)
    assert simulator.requests[0].json() == {"a": [1]}
    assert simulator.requests[1].form == {"user": "a&b", "none": ""}


def test_names_in_a_pattern_stand_for_one_segment(simulator: HttpSimulator, session: requests.Session) -> None:
    assert get(session, simulator, "/apps/52d0%20a1/dau").json() == {"app_id": "52d0 a1", "metric": "dau"}
    assert get(session, simulator, "/apps/1/2/3").status_code == 404


def test_unknown_paths_and_methods_are_told_apart(simulator: HttpSimulator, session: requests.Session) -> None:
    assert get(session, simulator, "/nothing").status_code == 404
    response = session.put(simulator.url + "/answer", timeout=TIMEOUT_SECONDS)
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, POST")


def test_a_head_request_brings_no_body(simulator: HttpSimulator, session: requests.Session) -> None:
    response = session.head(simulator.url + "/answer", timeout=TIMEOUT_SECONDS)
    assert (response.headers["Content-Length"], response.content) == (str(len(json.dumps(ANSWER))), b"")
    assert get(session, simulator).json() == ANSWER


def test_connections_are_kept(simulator: HttpSimulator, session: requests.Session) -> None:
    for _ in range(3):
        get(session, simulator)
    assert [request.connection for request in simulator.requests] == [1, 1, 1]
    with requests.Session() as other:
        get(other, simulator)
    assert simulator.requests[-1].connection == 2


def test_a_client_that_says_close_gets_an_end_of_file(simulator: HttpSimulator) -> None:
    answer = exchange_raw(simulator, b"GET /answer HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert answer.endswith(json.dumps(ANSWER).encode())
    assert exchange_raw(simulator, b"GET /answer HTTP/1.0\r\n\r\n") == answer


@given(cut=st.lists(st.integers(0, 120), max_size=6), count=st.integers(1, 4))
def test_requests_are_found_however_the_bytes_are_cut(cut: list[int], count: int) -> None:
    one = b"POST /answer HTTP/1.1\r\nContent-Length: 7\r\n\r\nGET /a "
    last = b"GET /answer HTTP/1.1\r\nConnection: close\r\n\r\n"
    data = one * count + last
    borders = [0, *sorted(cut), len(data)]
    with (
        add_routes(HttpSimulator()) as simulator,
        socket.create_connection(("127.0.0.1", simulator.port), timeout=TIMEOUT_SECONDS) as client,
    ):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start, end in pairwise(borders):
            client.sendall(data[start:end])
        with client.makefile("rb") as answers:
            assert answers.read().count(b"HTTP/1.1 201 Created") == count
        assert [request.body for request in simulator.requests] == [b"GET /a "] * count + [b""]


def test_thousands_of_requests_may_be_sent_ahead(simulator: HttpSimulator) -> None:
    ahead = b"GET /answer HTTP/1.1\r\n\r\n" * 3000 + b"GET /answer HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert exchange_raw(simulator, ahead).count(b"HTTP/1.1 200 OK") == 3001


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET http://[::1 HTTP/1.1\r\n\r\n", 400),
        (b"GET /answer HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /answer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST /answer HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), 413),
        (b"GET /answer HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /answer HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
    ],
)
def test_what_is_no_request_is_refused_and_not_recorded(simulator: HttpSimulator, data: bytes, status: int) -> None:
    assert exchange_raw(simulator, data).startswith(b"HTTP/1.1 %d " % status)
    assert simulator.requests == ()


def test_a_client_that_asks_first_may_go_on(simulator: HttpSimulator) -> None:
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=TIMEOUT_SECONDS) as client:
        client.sendall(b"POST /answer HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"ok")
        assert client.recv(1000).endswith(b"\r\n\r\nok")


def test_it_plays_a_proxy_for_whole_urls(simulator: HttpSimulator, session: requests.Session) -> None:
    url = "http://vendor.example/answer?a=1"
    response = session.get(url, proxies={"http": simulator.url}, timeout=TIMEOUT_SECONDS)
    assert response.json() == ANSWER
    assert (simulator.requests[0].target, simulator.requests[0].query) == (url, {"a": "1"})


def test_ipv6_on_request(session: requests.Session) -> None:
    with add_routes(HttpSimulator(host="::1")) as simulator:
        assert simulator.url == f"http://[::1]:{simulator.port}"
        assert get(session, simulator).json() == ANSWER


def test_stopped_it_refuses_and_started_again_it_has_the_same_url(session: requests.Session) -> None:
    simulator = add_routes(HttpSimulator())
    simulator.start()
    url = simulator.url
    get(session, simulator)
    simulator.stop()
    simulator.stop()
    with pytest.raises(requests.ConnectionError):
        get(session, simulator)
    with simulator:
        assert simulator.url == url
        assert get(session, simulator).json() == ANSWER


def test_the_record_can_be_bounded(session: requests.Session) -> None:
    with add_routes(HttpSimulator(keep_requests=2)) as simulator:
        for _ in range(5):
            get(session, simulator)
        assert [request.index for request in simulator.requests] == [3, 4]
        assert simulator.request_count == 5


def test_requests_are_found_by_path_and_method(simulator: HttpSimulator, session: requests.Session) -> None:
    get(session, simulator)
    get(session, simulator, "/apps/1/dau")
    session.post(simulator.url + "/answer", timeout=TIMEOUT_SECONDS)
    assert [request.index for request in simulator.requests_to("/answer*")] == [0, 2]
    assert [request.index for request in simulator.requests_to("/answer*", method="POST")] == [2]


def test_waiting_ends_with_the_request_waited_for(simulator: HttpSimulator, session: requests.Session) -> None:
    with ThreadPoolExecutor(1) as pool:
        count = pool.submit(simulator.wait_for, 2)
        get(session, simulator)
        get(session, simulator, "/apps/1/dau")
        assert len(count.result()) == 2
    (found,) = simulator.wait_for(lambda request: request.path.endswith("dau"))
    assert found.index == 1


def test_waiting_in_vain_is_told(simulator: HttpSimulator) -> None:
    with pytest.raises(TimeoutError, match="0 requests"):
        simulator.wait_for(timeout_seconds=0.01)


def test_what_a_handler_raises_reaches_the_test() -> None:
    def broken(_request: Request) -> Answer:
        raise LookupError("a bug in a handler")

    simulator = HttpSimulator()
    simulator.route("GET", "/", broken)
    with pytest.raises(LookupError, match="a bug in a handler"), simulator, pytest.raises(requests.ConnectionError):
        requests.get(simulator.url, timeout=TIMEOUT_SECONDS)


def test_a_client_that_goes_away_while_it_waits_is_no_error() -> None:
    with add_routes(HttpSimulator(latency_seconds=0.01)) as simulator:
        with socket.create_connection(("127.0.0.1", simulator.port), timeout=TIMEOUT_SECONDS) as client:
            client.sendall(b"GET /answer HTTP/1.1\r\n\r\n")
            simulator.wait_for(1)
        simulator.wait_for_connections(0)
        assert requests.get(simulator.url + "/answer", timeout=TIMEOUT_SECONDS).json() == ANSWER
        simulator.wait_for_connections(0)
        assert simulator.busy_count == 0


def test_latency_delays_all_answers_side_by_side() -> None:
    with add_routes(HttpSimulator(latency_seconds=0.1)) as simulator, ThreadPoolExecutor(16) as pool:
        barrier = threading.Barrier(16)

        def ask() -> requests.Response:
            barrier.wait()
            return requests.get(simulator.url + "/answer", timeout=TIMEOUT_SECONDS)

        started = time.monotonic()
        assert all(future.result().ok for future in [pool.submit(ask) for _ in range(16)])
        assert 0.1 <= time.monotonic() - started < 16 * 0.1
        assert simulator.peak_requests > 1
