"""The start of stats-service: signals that come early, and another service that has the state directory."""

import fcntl
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from importer.events.service.exclusive import InUse, exclusive
from tests.commands import ROOT
from tests.events.service.service_site import EVENT, WAIT_SECONDS, Log, Site
from tests.servers.process import free_port, wait_until

STOP_SECONDS = 5
MEMORY = Path("/dev/shm")
COMMANDS = [("-c",), ("consume", "-c")]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.at(tmp_path)


@contextmanager
def reading_its_configuration(site: Site, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the command, and give back the pipe that it is about to read its INI file from."""
    site.config.rename(site.home / "real.ini")
    os.mkfifo(site.config)
    with site.launched(ROOT / "bin" / "stats-service", *arguments, site.config) as (process, _):
        writer = os.open(site.config, os.O_WRONLY)  # waits for a reader
        try:
            yield process, writer
        finally:
            os.close(writer)


@pytest.mark.parametrize("arguments", COMMANDS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_is_stopped_while_the_configuration_is_read_ends_with_0(
    site: Site, number: int, arguments: tuple[str, ...]
) -> None:
    with reading_its_configuration(site, *arguments) as (process, _):
        process.send_signal(number)
        assert process.wait(STOP_SECONDS) == 0


@contextmanager
def waiting_for_its_outbox(site: Site) -> Iterator[tuple[subprocess.Popen[str], Log, Callable[[], None]]]:
    """Start the service, which has opened its port, and comes no further before the function is called."""
    site.port = free_port("127.0.0.1")
    site.write()
    with site.outbox.with_name(f"{site.outbox.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with site.launched() as (process, log):
            wait_until(lambda: is_open(site.port), lambda: log.text, deadline_seconds=WAIT_SECONDS)
            yield process, log, lambda: fcntl.flock(lock, fcntl.LOCK_UN)


def is_open(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_is_stopped_when_the_port_is_open_ends_with_0_and_leaves_nothing(site: Site, number: int) -> None:
    with waiting_for_its_outbox(site) as (process, _, _):
        process.send_signal(number)
        assert process.wait(STOP_SECONDS) == 0
    assert list(MEMORY.glob(f"stats-service-*/{process.pid}")) == []


def test_a_reload_that_is_asked_for_early_comes_when_the_service_is_at_work(site: Site) -> None:
    with waiting_for_its_outbox(site) as (process, log, go_on):
        process.send_signal(signal.SIGHUP)
        go_on()
        log.wait_for("configuration read again")
        process.terminate()
        assert process.wait(STOP_SECONDS) == 0


def test_a_second_service_on_a_state_directory_is_refused(site: Site) -> None:
    with site.running() as first:
        event_id = first.posted()
        with site.launched() as (second, log):
            assert second.wait(WAIT_SECONDS) == 1
            log.wait_for_end()
        assert log.text == (
            f"stats-service: {site.outbox.parent} is in use by another stats-service (pid {first.process.pid}):"
            " give stats_service.state_dir another directory\n"
        )
        first.signal(signal.SIGHUP)
        first.log.wait_for("configuration read again")
        assert first.get(f"/log/event/{event_id}").status == 200


def test_children_that_outlive_their_service_do_not_have_its_state_directory(site: Site) -> None:
    with site.running() as service:
        service.posted(EVENT)
        children = [*service.pids("worker"), *service.pids("keeper")]
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        try:
            service.process.kill()
            service.process.wait(WAIT_SECONDS)
            with exclusive(site.outbox, wait_seconds=0):
                assert all(Path(f"/proc/{pid}").exists() for pid in children)
        finally:
            for pid in children:
                os.kill(pid, signal.SIGKILL)


def attempt(outbox: Path, lane: str) -> str:
    """Return whether another process may have the outbox: `had`, or why not."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            with exclusive(outbox, lane=lane, wait_seconds=0):
                os.write(writer, b"had")
        except InUse as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        text = said.read()
    os.wait()
    return text


def test_consumers_share_a_directory_if_they_write_to_one_place(tmp_path: Path) -> None:
    outbox = tmp_path / "consume.outbox"
    refused = f"{tmp_path} is in use by another stats-service (pid {os.getpid()}): "
    with exclusive(outbox, lane="influxdb://a/x"):
        assert attempt(outbox, "influxdb://a/x") == "had"
        assert attempt(outbox, "influxdb://b/y").startswith(refused)
        assert attempt(outbox, "").startswith(refused)
        assert attempt(tmp_path / "stats-service.outbox", "") == "had"
    assert attempt(outbox, "influxdb://b/y") == "had"
