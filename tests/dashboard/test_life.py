"""How the command starts and ends."""

import re
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import pytest

from importer.cli.metrics_importer.dashboard import DEFAULT_PORT
from importer.dashboard.server import MAX_CONNECTIONS
from tests.commands import Commands, isolated_environment
from tests.dashboard.served import WAIT_SECONDS, Dashboard, dashboard_in
from tests.dashboard.state import State
from tests.running import Running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(dashboard: Dashboard, number: signal.Signals) -> None:
    ended = dashboard.stop(number)
    assert (ended.code, ended.stderr) == (0, [])
    assert ended.stdout == [f"The dashboard is at {dashboard.url}"]


def test_who_waits_for_news_when_it_ends_is_answered(dashboard: Dashboard) -> None:
    version = dashboard.status()["version"]
    with socket.create_connection(("127.0.0.1", dashboard.port), WAIT_SECONDS) as waiting:
        waiting.sendall(f"GET /api/status?after={version} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        dashboard.status()  # asked later, so the other question is there when this one is answered
        assert dashboard.stop().code == 0
        assert waiting.makefile("rb").readline() in (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 503 Service Unavailable\r\n")


def test_who_opens_too_many_connections_is_cut_off_and_others_are_not(dashboard: Dashboard) -> None:
    address = ("127.0.0.1", dashboard.port)
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection(address, WAIT_SECONDS)) for _ in range(MAX_CONNECTIONS)]
        with pytest.raises(ConnectionResetError), socket.create_connection(address, WAIT_SECONDS) as one_too_many:
            one_too_many.recv(1)
        opened[0].sendall(b"GET /api/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert opened[0].makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"


def test_a_port_that_is_taken_is_told_in_one_line(commands: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = commands.run("metrics-importer", "dashboard", "--port", f"{port}")
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == (
        f"metrics-importer: port {port} of 127.0.0.1: address already in use;"
        " end what has it, or choose another with --port or --bind\n"
    )


@pytest.mark.parametrize("address", ["192.0.2.1", "no such host", "1.2.3", "::ffff:0:0:0"])
def test_an_address_that_is_not_ours_is_told_in_one_line(commands: Commands, address: str) -> None:
    result = commands.run("metrics-importer", "dashboard", "--port", "0", "--bind", address)
    assert (result.code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert re.match(rf"metrics-importer: port 0 of {address}: [a-z ]+; end what has it", result.stderr)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--port", "65536"], "is not a port"),
        (["--port", "http"], "is not a port"),
        (["--bind", ""], "an address is expected"),
        (["--state", "/nonexistent"], "--state /nonexistent: no such directory"),
        (["--project", "a/b"], "a directory name is expected"),
    ],
)
def test_a_wrong_command_line_is_told(commands: Commands, arguments: list[str], told: str) -> None:
    result = commands.run("metrics-importer", "dashboard", *arguments)
    assert (result.code, result.stdout) == (2, "")
    assert told in result.stderr


def test_a_state_directory_of_nobody_else_can_be_named(tmp_path: Path) -> None:
    state = State(tmp_path / "elsewhere")
    state.directory.mkdir()
    state.record("livestats", 1000)
    with dashboard_in(tmp_path / "home", "--state", state.directory) as dashboard:
        (command,) = dashboard.status()["commands"]
    assert command["outbox"] == str(state.directory / "livestats.outbox")


def test_a_store_elsewhere_can_be_named(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.write("a", [(1, 2)])
    with dashboard_in(tmp_path / "home", "--path", state.store) as dashboard:
        answer = dashboard.get("/api/points", store=state.store, name="a").json()
    assert answer["series"][0]["values"] == [2]


def test_by_default_it_is_at_one_port_of_loopback(commands: Commands) -> None:
    help_text = commands.run("metrics-importer", "dashboard", "--help").stdout
    assert f"({DEFAULT_PORT}; 0: a free one)" in help_text
    assert "listen there (127.0.0.1)" in help_text


def test_ipv6_is_served_too(commands: Commands) -> None:
    with commands.start("metrics-importer", "dashboard", "--bind", "::1", "--port", "0") as process:
        (line,) = Running(process).wait_for_line("The dashboard is at", timeout_seconds=WAIT_SECONDS)
        assert "http://[::1]:" in line
        port = int(line.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("::1", port), WAIT_SECONDS) as connection:
            connection.sendall(b"GET /api/status HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n")
            assert connection.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"


def test_another_address_of_loopback_may_be_asked_by_its_own_name(tmp_path: Path) -> None:
    with dashboard_in(tmp_path, "--bind", "127.0.0.2") as dashboard:
        with urlopen(dashboard.url, timeout=WAIT_SECONDS) as page:
            assert page.status == 200
        assert dashboard.token is None


def test_all_addresses_of_ipv6_are_those_of_ipv4_too(tmp_path: Path) -> None:
    with dashboard_in(tmp_path, "--bind", "::") as dashboard:
        assert dashboard.get("/", token=dashboard.token).status == 200


def test_systemd_is_told_when_it_serves_and_that_it_goes_on(tmp_path: Path) -> None:
    commands = Commands(tmp_path, isolated_environment(tmp_path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(WAIT_SECONDS)
        watched = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "120000000"}
        with commands.start("metrics-importer", "dashboard", "--port", "0", env=watched) as process:
            assert {manager.recv(100), manager.recv(100)} == {b"READY=1", b"WATCHDOG=1"}
            process.terminate()
            assert process.wait(WAIT_SECONDS) == 0
            said = manager.recv(100)
            while said == b"WATCHDOG=1":
                said = manager.recv(100)
            assert said == b"STOPPING=1"
