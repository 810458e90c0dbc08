"""Every way in which an HTTP simulator can be told to fail."""

import http.client
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from importer.simulators.base import HttpSimulator
from importer.simulators.faults import (
    BROKEN_JSON,
    HTML_PAGE,
    Hold,
    cut_off,
    deep_json,
    delay,
    drip,
    huge_body,
    never,
    reset,
)
from importer.simulators.http_connection import Exchange
from importer.simulators.http_wire import Answer
from tests.simulators.http_clients import ANSWER, TIMEOUT_SECONDS, add_routes, exchange_raw, get


def test_an_answer_as_a_fault_meets_the_next_requests_only(simulator: HttpSimulator, session: requests.Session) -> None:
    rule = simulator.fail(Answer.json({"message": "no"}, status=503, headers={"Retry-After": "7"}), times=2)
    responses = [get(session, simulator) for _ in range(3)]
    assert [response.status_code for response in responses] == [503, 503, 200]
    assert responses[0].headers["Retry-After"] == "7"
    assert responses[0].json() == {"message": "no"}
    assert rule.hits == 2


def test_a_fault_of_a_path_lasts_until_healed(simulator: HttpSimulator, session: requests.Session) -> None:
    simulator.fail(Answer(403), when="/apps/*", times=None)
    assert [get(session, simulator, path).status_code for path in ("/answer", "/apps/1/2", "/apps/1/2")] == [
        200,
        403,
        403,
    ]
    simulator.heal()
    assert get(session, simulator, "/apps/1/2").status_code == 200


def test_faults_are_met_in_their_order_and_by_predicate(simulator: HttpSimulator, session: requests.Session) -> None:
    simulator.fail(Answer(500), when=lambda request: request.query.get("a") == "1")
    simulator.fail(Answer(429))
    paths = ("/answer?a=2", "/answer?a=1", "/answer?a=1")
    assert [get(session, simulator, path).status_code for path in paths] == [429, 500, 200]


def test_a_status_without_a_name_is_sent_all_the_same(simulator: HttpSimulator, session: requests.Session) -> None:
    simulator.fail(Answer(599))
    assert get(session, simulator).status_code == 599


def test_an_answer_without_a_body_leaves_the_connection_in_order(
    simulator: HttpSimulator, session: requests.Session
) -> None:
    simulator.fail(Answer(204))
    assert get(session, simulator).status_code == 204
    assert get(session, simulator).json() == ANSWER
    assert {request.connection for request in simulator.requests} == {1}


def test_a_reset_breaks_the_connection(simulator: HttpSimulator, session: requests.Session) -> None:
    simulator.fail(reset)
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        get(session, simulator)
    assert get(session, simulator).json() == ANSWER


@pytest.mark.parametrize("with_reset", [False, True])
@pytest.mark.parametrize("after_bytes", [0, 3, 10_000])
def test_a_cut_off_answer_is_never_whole(simulator: HttpSimulator, after_bytes: int, *, with_reset: bool) -> None:
    simulator.fail(cut_off(after_bytes=after_bytes, with_reset=with_reset))
    connection = http.client.HTTPConnection("127.0.0.1", simulator.port, timeout=TIMEOUT_SECONDS)
    connection.request("GET", "/answer")
    try:
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            connection.getresponse().read()
    finally:
        connection.close()


def test_wrong_and_broken_json(simulator: HttpSimulator, session: requests.Session) -> None:
    simulator.fail(HTML_PAGE)
    simulator.fail(BROKEN_JSON)
    for _ in range(2):
        response = get(session, simulator)
        assert response.status_code == 200
        with pytest.raises(requests.JSONDecodeError):
            response.json()


def test_deep_json_exhausts_a_recursive_parser(simulator: HttpSimulator, session: requests.Session) -> None:
    simulator.fail(deep_json())
    with pytest.raises(RecursionError):
        get(session, simulator).json()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_body_comes_in_full_and_the_connection_goes_on(
    simulator: HttpSimulator, session: requests.Session, *, chunked: bool
) -> None:
    size_bytes = 20 * 1024 * 1024 + 1
    simulator.fail(huge_body(size_bytes, chunked=chunked))
    response = session.get(simulator.url + "/answer", stream=True, timeout=TIMEOUT_SECONDS)
    assert response.headers.get("Content-Length") == (None if chunked else str(size_bytes))
    assert sum(map(len, response.iter_content(65536))) == size_bytes
    assert get(session, simulator).json() == ANSWER


def test_a_huge_body_is_not_held_in_memory_for_a_client_that_does_not_read(simulator: HttpSimulator) -> None:
    simulator.fail(huge_body(10**12))
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=TIMEOUT_SECONDS) as client:
        client.sendall(b"GET /answer HTTP/1.1\r\n\r\n")
        assert client.recv(10) == b"HTTP/1.1 2"
    simulator.wait_for_connections(0)


def test_a_delayed_answer_is_late_but_right(simulator: HttpSimulator, session: requests.Session) -> None:
    simulator.fail(delay(0.05))
    started = time.monotonic()
    assert get(session, simulator).json() == ANSWER
    assert time.monotonic() - started >= 0.05


@pytest.mark.parametrize("fault", [never, delay(1000), Hold(), drip(interval_seconds=100)])
def test_stopping_frees_whoever_waits(fault: object) -> None:
    simulator = add_routes(HttpSimulator())
    assert callable(fault)
    simulator.fail(fault)
    with ThreadPoolExecutor(1) as pool, requests.Session() as session:
        with simulator:
            waiting = pool.submit(get, session, simulator)
            simulator.wait_for(1)
        assert isinstance(waiting.exception(TIMEOUT_SECONDS), requests.RequestException)


def test_held_requests_wait_until_released(simulator: HttpSimulator) -> None:
    hold = Hold()
    simulator.fail(hold, times=None)
    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(requests.get, simulator.url + "/answer", timeout=TIMEOUT_SECONDS) for _ in range(5)]
        simulator.wait_for(5)
        assert not any(request.done() for request in waiting)
        assert simulator.busy_count == 5
        hold.release()
        assert [request.result().json() for request in waiting] == [ANSWER] * 5
        assert requests.get(simulator.url + "/answer", timeout=TIMEOUT_SECONDS).json() == ANSWER
    assert simulator.peak_requests == 5


def test_a_dripped_answer_comes_byte_by_byte(simulator: HttpSimulator) -> None:
    simulator.fail(drip(interval_seconds=0.001))
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=TIMEOUT_SECONDS) as client:
        client.sendall(b"GET /answer HTTP/1.1\r\nConnection: close\r\n\r\n")
        pieces = list(iter(lambda: client.recv(65536), b""))
    assert b"".join(pieces).endswith(json.dumps(ANSWER).encode())
    assert len(pieces) > len(json.dumps(ANSWER)) / 4


def test_a_fault_may_do_as_it_likes(simulator: HttpSimulator) -> None:
    def twice(exchange: Exchange) -> None:
        answer = exchange.answer()
        exchange.write(b"HTTP/1.1 200 OK\r\n\r\n" + answer.body + answer.body)
        exchange.close()

    simulator.fail(twice)
    body = json.dumps(ANSWER).encode()
    assert exchange_raw(simulator, b"GET /answer HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n" + body + body)
