"""The ground that other tests stand on: no way out of this machine, an environment of their own, no orphans."""

import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import ROOT, Commands
from tests.network_guard import OutsideLoopback
from tests.servers import kafka_jars, whisper
from tests.servers.process import Server, ServerFailed, die_with_parent

ELSEWHERE = "192.0.2.1"  # set aside for documentation (RFC 5737): nobody is there


@pytest.mark.parametrize("attempt", [socket.socket.connect, socket.socket.connect_ex])
def test_no_test_connects_to_another_machine(attempt: Callable[[socket.socket, tuple[str, int]], object]) -> None:
    with socket.socket() as sock, pytest.raises(OutsideLoopback, match=ELSEWHERE):
        attempt(sock, (ELSEWHERE, 80))


def test_no_test_sends_a_datagram_to_another_machine() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(OutsideLoopback):
        sock.sendto(b"x", (ELSEWHERE, 53))


def test_no_test_asks_a_name_server() -> None:
    with pytest.raises(OutsideLoopback):
        socket.create_connection(("www.example.org", 80))


def test_a_name_that_never_exists_is_not_found() -> None:
    with pytest.raises(socket.gaierror):
        socket.create_connection(("vendor.invalid", 80))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tests_talk_over_loopback(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection((host, server.getsockname()[1])).close()


def test_a_test_sees_neither_home_nor_proxies_of_the_machine(tmp_path: Path) -> None:
    assert Path.home() == tmp_path
    assert time.tzname == ("UTC", "UTC")
    assert not [name for name in os.environ if name.lower().endswith(("_proxy", "_dir", "_directory"))]


def test_a_test_can_move_to_another_time_zone(set_time_zone: Callable[[str], None]) -> None:
    set_time_zone("America/New_York")
    assert time.localtime(1462233600).tm_hour == 20


def test_commands_see_only_directories_of_their_own(commands: Commands, tmp_path: Path) -> None:
    directories = {name: path for name, path in commands.environment.items() if name.endswith("_DIR")}
    assert {"CONFIG_DIR", "CACHE_DIR", "LOG_DIR", "STATE_DIR"} <= set(directories)
    assert all(Path(path).is_dir() and Path(path).is_relative_to(tmp_path) for path in directories.values())


def test_a_child_dies_with_its_parent_however_that_dies(tmp_path: Path) -> None:
    """The parent kills itself; the grandchild held the pipe open, so reading ends only once it is gone too."""
    code = (
        "import os, signal, subprocess, sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.servers.process import die_with_parent\n"
        "subprocess.Popen(die_with_parent(['sh', '-c', 'echo ready; exec sleep 600']))\n"
        "sys.stdin.readline(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(ROOT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        assert parent.stdout.readline() == "ready\n"
        parent.stdin.write("\n")
        parent.stdin.close()
        assert parent.stdout.read() == ""


class BrokenServer(Server):
    program = "sh"

    def command(self) -> list[str]:
        return ["sh", "-c", "echo no configuration; exit 3"]


def test_a_server_that_ends_at_once_says_why(tmp_path: Path) -> None:
    server = BrokenServer(tmp_path)
    server.claim_port()
    with pytest.raises(ServerFailed, match="no configuration"):
        server.start()


def test_a_whisper_file_gives_back_its_points_across_holes(tmp_path: Path) -> None:
    path = tmp_path / "metric.wsp"
    count = 100_000_000
    with path.open("wb") as file:
        file.write(struct.pack("!2LfL", 1, count, 0.5, 1) + struct.pack("!3L", 28, 1, count))
        for slot, timestamp, value in ((0, 1462147200, 0.1 + 0.2), (90_000_000, 1795315346, -7.0)):
            file.seek(28 + slot * 12)
            file.write(struct.pack("!Ld", timestamp, value))
        file.truncate(28 + count * 12)
    assert whisper.read_points(path) == {1462147200: 0.1 + 0.2, 1795315346: -7.0}


def test_a_half_made_whisper_file_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "metric.wsp"
    path.write_bytes(struct.pack("!2L", 1, 60))
    with pytest.raises(ValueError, match="no whole header"):
        whisper.read_points(path)


def test_without_setpriv_a_command_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert die_with_parent(["true"]) == ["true"]


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`maven(commands)` puts an mvn on the PATH that copies one jar, after what the shell commands say."""

    def put(commands: str) -> None:
        program = tmp_path / "bin" / "mvn"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\nset -e\n{commands}\necho jar > kafka.jar\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)

    return put


def test_two_runs_that_get_kafkas_jars_at_once_do_each_other_no_harm(
    maven: Callable[[str], None], tmp_path: Path
) -> None:
    jars = tmp_path / "build" / "kafka"
    other = f"import pathlib; from tests.servers.kafka_jars import main; main(pathlib.Path({str(jars)!r}))"
    run = f'SECOND=1 PYTHONPATH={ROOT} {sys.executable} -c "{other}"; touch {tmp_path}/second'
    maven(f'if [ -z "$SECOND" ]; then {run}; fi')
    assert kafka_jars.main(jars) == 0
    assert (tmp_path / "second").exists()
    assert (jars / "kafka.jar").read_text() == "jar\n"
    assert list(jars.parent.iterdir()) == [jars]


def test_a_maven_that_cannot_get_kafkas_jars_leaves_nothing_behind(
    maven: Callable[[str], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maven("exit 1")
    assert kafka_jars.main(tmp_path / "build" / "kafka") == 0
    assert list((tmp_path / "build").iterdir()) == []
    assert "mvn cannot get it" in capsys.readouterr().out


def test_what_keeps_kafkas_jars_from_their_place_is_told(maven: Callable[[str], None], tmp_path: Path) -> None:
    jars = tmp_path / "build" / "kafka"
    maven(f"touch {jars}")
    with pytest.raises(NotADirectoryError):
        kafka_jars.main(jars)
