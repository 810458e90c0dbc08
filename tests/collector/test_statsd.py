"""Counts that go to a statsd."""

import socket
from collections.abc import Iterator

import pytest

from importer.collector.statsd import StatsClient, client_of, incr


@pytest.fixture
def statsd() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        yield receiver


def environment(statsd: socket.socket, **more: str) -> dict[str, str]:
    return {"STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(statsd.getsockname()[1]), **more}


def test_a_count_is_one_packet(statsd: socket.socket) -> None:
    incr("ga.core.ga123.count", environ=environment(statsd))
    assert statsd.recv(1000) == b"pp.apps.collector.ga.core.ga123.count:1|c"


def test_the_prefix_is_that_of_the_environment(statsd: socket.socket) -> None:
    incr("ga", 3, environ=environment(statsd, GOVUK_STATSD_PREFIX="mine"))
    assert statsd.recv(1000) == b"mine.ga:3|c"


def test_a_name_cannot_make_up_another_count(statsd: socket.socket) -> None:
    incr("a:1|c\nb", environ=environment(statsd))
    assert statsd.recv(1000) == b"pp.apps.collector.a_1_c_b:1|c"


def test_without_a_host_nothing_is_sent(statsd: socket.socket) -> None:
    port = str(statsd.getsockname()[1])
    incr("never", environ={"STATSD_PORT": port})
    incr("then", environ=environment(statsd))
    assert statsd.recv(1000).startswith(b"pp.apps.collector.then:")


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1", "1.5"])
def test_a_port_that_is_none_is_a_warning(caplog: pytest.LogCaptureFixture, port: str) -> None:
    client_of({"STATSD_HOST": "127.0.0.1", "STATSD_PORT": port}).incr("x")
    assert caplog.messages == ["STATSD_PORT is not the number of a port: nothing is counted"]


@pytest.mark.parametrize("host", ["statsd.invalid"])
def test_a_host_that_is_none_is_a_warning(caplog: pytest.LogCaptureFixture, host: str) -> None:
    StatsClient(host).incr("x")
    assert caplog.messages[0].startswith(f"statsd cannot be reached host={host} error=")
