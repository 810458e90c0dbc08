"""The simulated stores of Hosted Graphite: lines over HTTP, TLS and UDP, read strictly."""

import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from importer.simulators.graphite import ReceivedConnection, ReceivedPoint
from importer.simulators.hosted_graphite import API_KEY, SINK_PATH, HostedGraphiteSimulator, TlsGraphiteReceiver
from importer.simulators.udp import DatagramReceiver
from tests.http_servers import Certificate, make_certificate
from tests.simulators.http_clients import TIMEOUT_SECONDS

LINE = b"web.requests 12.5 1700000040\n"
POINT = ReceivedPoint("web.requests", 1700000040.0, 12.5)


@pytest.fixture
def simulator() -> Iterator[HostedGraphiteSimulator]:
    with HostedGraphiteSimulator(max_body_bytes=1000) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def send(
    simulator: HostedGraphiteSimulator, data: bytes, *, method: str = "PUT", key: str = API_KEY
) -> requests.Response:
    return requests.request(method, simulator.url + SINK_PATH, data=data, auth=(key, ""), timeout=TIMEOUT_SECONDS)


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_lines_are_taken_and_kept_as_points(simulator: HostedGraphiteSimulator, method: str) -> None:
    response = send(simulator, LINE + b"a -1e-07 0\n", method=method)
    assert (response.status_code, response.content) == (202, b"")
    assert simulator.wait_for_points(2) == (POINT, ReceivedPoint("a", 0.0, -1e-07))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (LINE[:-1], "does not end with a line feed"),
        (LINE + b"\n", "name value time"),
        (b"web.requests 12.5\n", "name value time"),
        (b"web.requests  12.5 60\n", "name value time"),
        (b"web..requests 12.5 60\n", "not the name of a metric"),
        (b"web.requests many 60\n", "could not convert"),
        (b"web.requests nan 60\n", "finite number"),
        (b"web.requests 12.5 60.000\n", "whole seconds"),
        (b"\xff 12.5 60\n", "decode"),
        (f"{API_KEY}.web.requests 12.5 60\n".encode(), "no part of a name"),
    ],
)
def test_lines_that_are_wrong_are_refused_with_the_reason(
    simulator: HostedGraphiteSimulator, data: bytes, complaint: str
) -> None:
    response = send(simulator, LINE + data)
    assert response.status_code == 400
    assert complaint in response.text
    assert simulator.points == ()


def test_a_body_without_lines_is_refused(simulator: HostedGraphiteSimulator) -> None:
    response = send(simulator, b"")
    assert (response.status_code, response.text) == (400, "there are no metrics")


def test_the_key_is_asked_for(simulator: HostedGraphiteSimulator) -> None:
    assert send(simulator, LINE, key="another").status_code == 401
    bare = requests.put(simulator.url + SINK_PATH, data=LINE, timeout=TIMEOUT_SECONDS)
    assert bare.status_code == 401
    for header in ("Bearer x", "Basic ?"):
        response = requests.put(
            simulator.url + SINK_PATH, data=LINE, headers={"Authorization": header}, timeout=TIMEOUT_SECONDS
        )
        assert response.status_code == 401


def test_data_that_is_too_large_is_refused(simulator: HostedGraphiteSimulator) -> None:
    assert send(simulator, LINE * 40).status_code == 413


def test_points_that_do_not_come_are_not_waited_for_without_end(simulator: HostedGraphiteSimulator) -> None:
    with pytest.raises(TimeoutError):
        simulator.wait_for_points(1, timeout_seconds=0.01)


def connect(receiver: TlsGraphiteReceiver, trusted: Path | None) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=trusted)
    plain = socket.create_connection((receiver.host, receiver.port), timeout=TIMEOUT_SECONDS)
    return context.wrap_socket(plain, server_hostname=receiver.host, suppress_ragged_eofs=False)


def test_over_tls_lines_are_kept_and_the_end_is_answered(certificate: Certificate) -> None:
    with TlsGraphiteReceiver(certificate.server_context()) as receiver:
        with connect(receiver, certificate.path) as client:
            client.sendall(LINE)
            with client.unwrap() as plain:  # which waits for the close_notify
                assert plain.recv(1) == b""
        assert receiver.wait_for_points(1) == (POINT,)
        (connection,) = receiver.connections
        assert connection.ended


def test_over_tls_a_receiver_that_closes_says_so_even_unasked(certificate: Certificate) -> None:
    def read_once(connection: ReceivedConnection) -> None:
        connection.read()

    with (
        TlsGraphiteReceiver(certificate.server_context(), mode=read_once) as receiver,
        connect(receiver, certificate.path) as client,
    ):
        client.sendall(LINE)
        assert client.recv(1) == b""  # without a close_notify this would be an SSLEOFError
        assert receiver.points == (POINT,)


def test_over_tls_a_client_that_does_not_trust_the_receiver_is_no_failure_of_it(certificate: Certificate) -> None:
    with TlsGraphiteReceiver(certificate.server_context()) as receiver:
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(receiver, None)
        (connection,) = receiver.wait_for_connections(1)
        receiver.wait_until(lambda: connection.closed)
        assert connection.raw == b""
        assert not connection.ended


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_datagrams_are_kept_one_by_one(host: str) -> None:
    with ExitStack() as stack:
        try:
            receiver = stack.enter_context(DatagramReceiver(host=host))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        client = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        for data in (LINE * 2, LINE[:-1]):
            client.sendto(data, (host, receiver.port))
        assert receiver.wait_for_datagrams(2) == (LINE * 2, LINE[:-1])
        assert receiver.points == (POINT, POINT)


def test_what_came_before_the_stop_is_kept() -> None:
    receiver = DatagramReceiver()
    receiver.start()
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        for _ in range(100):
            client.sendto(LINE, (receiver.host, receiver.port))
    receiver.stop()
    receiver.stop()
    assert len(receiver.wait_for_datagrams(0)) == 100


def test_datagrams_that_do_not_come_are_not_waited_for_without_end() -> None:
    with DatagramReceiver() as receiver, pytest.raises(TimeoutError):
        receiver.wait_for_datagrams(1, timeout_seconds=0.01)


def test_a_port_that_is_taken_is_told() -> None:
    with DatagramReceiver() as receiver, pytest.raises(OSError, match="in use"):
        DatagramReceiver(port=receiver.port).start()


def test_discarded_datagrams_are_counted() -> None:
    with DatagramReceiver(discard=True) as receiver, socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(LINE, (receiver.host, receiver.port))
        assert receiver.wait_for_datagrams(1) == ()


@pytest.mark.parametrize("module", ["hosted_graphite", "udp"])
def test_as_a_process_it_tells_its_address_and_stops_at_sigterm(module: str) -> None:
    command = [sys.executable, "-m", f"importer.simulators.{module}", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if module == "hosted_graphite":
            answer = requests.put(address + SINK_PATH, data=LINE, auth=(API_KEY, ""), timeout=TIMEOUT_SECONDS)
            assert answer.status_code == 202
        else:
            with pytest.raises(OSError, match="in use"):
                DatagramReceiver(port=int(address)).start()
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 0
