"""A small HTTP simulator and the ways to ask it, for the tests of the frame."""

import socket

import requests

from importer.simulators.base import HttpSimulator
from importer.simulators.http_wire import Answer

TIMEOUT_SECONDS = 10
ANSWER = {"answer": 42}


def add_routes(simulator: HttpSimulator) -> HttpSimulator:
    simulator.route("GET", "/answer", lambda _request: Answer.json(ANSWER))
    simulator.route("POST", "/answer", lambda request: Answer(201, {}, request.body))
    simulator.route("GET", "/apps/{app_id}/{metric}", lambda request: Answer.json(dict(request.path_values)))
    return simulator


def get(session: requests.Session, simulator: HttpSimulator, path: str = "/answer") -> requests.Response:
    return session.get(simulator.url + path, timeout=TIMEOUT_SECONDS)


def exchange_raw(simulator: HttpSimulator, data: bytes) -> bytes:
    """Send bytes, and return all that comes back until the simulator closes."""
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=TIMEOUT_SECONDS) as client:
        client.sendall(data)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer
