"""A stop ends every wait."""

import socket
import threading
from collections.abc import Callable

import pytest

from importer.errors import Stopped
from importer.http_client import HttpClient, RetryPolicy
from tests.http_client.asking import Holding, in_thread
from tests.http_servers import WAIT_SECONDS, Answer, ScriptServer, book_server, read_request


def test_a_stop_ends_the_wait_that_a_server_asks_for(client_for: Callable[..., HttpClient]) -> None:
    stop = threading.Event()
    limit = Holding()
    with book_server(Answer(429, headers={"Retry-After": "60"})) as server:
        client = client_for(server.url, stop=stop, rate_limit=limit)
        result = in_thread(lambda: client.request("GET", "/"))
        assert limit.holds.wait(WAIT_SECONDS)
        stop.set()
        assert isinstance(result(), Stopped)


def test_a_stop_ends_the_pause_before_a_repetition(client_for: Callable[..., HttpClient]) -> None:
    stop = threading.Event()
    pausing = threading.Event()

    def long_pause(low: float, high: float) -> float:
        pausing.set()
        return 60.0

    with book_server(Answer(500)) as server:
        client = client_for(server.url, stop=stop, uniform=long_pause)
        result = in_thread(lambda: client.request("GET", "/"))
        assert pausing.wait(WAIT_SECONDS)
        stop.set()
        assert isinstance(result(), Stopped)


def test_a_stop_of_one_request_ends_its_pauses_alone(client_for: Callable[..., HttpClient]) -> None:
    stopped = threading.Event()
    stopped.set()
    patient = RetryPolicy(waits_for_all=False)
    with book_server(Answer(429, headers={"Retry-After": "0.01"}), Answer(200)) as server:
        client = client_for(server.url, retries=patient)
        with pytest.raises(Stopped):
            client.request("GET", "/", stop=stopped)
        assert client.request("GET", "/").status == 200


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
def test_a_stop_ends_the_wait_for_an_answer(client_for: Callable[..., HttpClient], begin: bytes) -> None:
    stop = threading.Event()
    asked = threading.Event()

    def script(connection: socket.socket, closing: threading.Event) -> None:
        read_request(connection)
        connection.sendall(begin)
        asked.set()
        closing.wait(WAIT_SECONDS)

    with ScriptServer(script) as server:
        client = client_for(server.url, stop=stop)
        result = in_thread(lambda: client.request("GET", "/"))
        assert asked.wait(WAIT_SECONDS)
        stop.set()
        assert isinstance(result(), Stopped)
