"""The life of stats-service: start, stop, reload, its processes and their ends, and what an answer promises."""

import json
import os
import re
import resource
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from importer import __version__
from importer.events.tokens.token import generate_pair
from tests.commands import ROOT, TIMEOUT_SECONDS
from tests.events.service.poster import posting
from tests.events.service.service_site import (
    EVENT,
    PAIR,
    TOKEN,
    WAIT_SECONDS,
    Site,
    ask,
    read_all,
    request_bytes,
    statuses,
)
from tests.servers.process import free_port, wait_until

BODY = json.dumps(EVENT).encode()
LENGTH = f"Content-Length: {len(BODY)}"
LIVES = 20
STOP_SECONDS = 5
PATIENT = ROOT / "tests" / "events" / "service" / "limited_service.py"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.at(tmp_path)


def ended(site: Site, *arguments: str | Path) -> tuple[int, str]:
    """Run the command to its end; return its exit code and what it said on standard error."""
    with site.launched(ROOT / "bin" / "stats-service", *arguments) as (process, log):
        code = process.wait(TIMEOUT_SECONDS)
        log.wait_for_end()
        return code, log.text


def test_a_port_that_is_taken_is_told_in_one_line(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        site.port = taken.getsockname()[1]
        site.write()
        code, said = ended(site, "-c", site.config)
    assert code == 1
    assert said.count("\n") == 1
    assert f"port {site.port}" in said


@pytest.mark.parametrize("host", ["x" * 64, "nowhere.invalid", "192.0.2.1"])
def test_an_address_that_cannot_be_had_is_told_in_one_line(site: Site, host: str) -> None:
    site.config.write_text(site.config.read_text().replace("host = 127.0.0.1", f"host = {host}"))
    code, said = ended(site, "-c", site.config)
    assert code == 1
    assert said.count("\n") == 1
    assert f"{site.config}: host {host}, port 0: " in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "service.ini"),
        ("no INI", "service.ini"),
        ("[server:main]\nport = 1\n", "app:main"),
        ("[app:main]\nstats_service.access.identities = access.json\n[server:main]\nport = http\n", "port"),
        ("[app:main]\nstats_service.access.identities = access.json\nstats_service.workers = 0\n", "workers"),
        ("[app:main]\nstats_service.access.identities = access.json\ninfluxdb.port = x\n", "influxdb.port"),
        ("[app:main]\n", "stats_service.access.identities"),
        ("[app:main]\nstats_service.access.identities = nowhere.json\n", "nowhere.json"),
    ],
)
def test_a_wrong_configuration_is_told_in_one_line(site: Site, content: str | None, says: str) -> None:
    site.config.unlink() if content is None else site.config.write_text(content)
    code, said = ended(site, "-c", site.config)
    assert code == 78
    assert said.count("\n") == 1
    assert says in said


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "{}",
        "[1]",
        '[{"username": "u", "tokens": []}]',
        '[{"id": "i", "tokens": []}]',
        '[{"id": "i", "username": "u"}]',
        '[{"id": "i", "username": "u", "tokens": [{"access_token": "t"}]}]',
    ],
)
def test_a_wrong_file_of_users_is_told_in_one_line(site: Site, content: str) -> None:
    site.users.write_text(content)
    code, said = ended(site, "-c", site.config)
    assert code == 78
    assert said.count("\n") == 1
    assert "access.json" in said


@pytest.mark.parametrize("arguments", [(), ("-c",), ("--nonsense",), ("nonsense",)])
def test_a_wrong_command_line_is_told(site: Site, arguments: tuple[str, ...]) -> None:
    code, said = ended(site, *arguments)
    assert code == 2
    assert said.count("\n") == 1


def test_help_and_version_are_printed(site: Site) -> None:
    for option, text in {"--help": "stats-service consume -c", "--version": __version__}.items():
        command = [str(ROOT / "bin" / "stats-service"), option]
        assert text in subprocess.run(command, capture_output=True, check=True, env=site.environment, text=True).stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_service_ends_with_0_when_it_is_told_to(site: Site, number: int) -> None:
    with site.running() as service:
        service.posted()
        service.signal(number)
        assert service.wait() == 0
        assert "Traceback" not in service.log.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_processes_is_no_death_of_one(site: Site, number: int) -> None:
    leader = "import os, sys; os.setsid(); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    with site.running("-c", leader, ROOT / "bin" / "stats-service", "-c", site.config) as service:
        service.posted()
        os.killpg(service.process.pid, number)
        assert service.wait() == 0
        assert "process died" not in service.log.text
        assert "Traceback" not in service.log.text


def test_the_keyboard_is_the_business_of_the_supervisor(site: Site) -> None:
    with site.running() as service:
        for pid in (*service.pids("keeper"), *service.pids("worker")):
            os.kill(pid, signal.SIGINT)  # ignored from the start on: it is not even kept for later
            status = Path(f"/proc/{pid}/status").read_text()
            (ignored,) = re.findall(r"^SigIgn:\s*(\w+)$", status, re.MULTILINE)
            assert int(ignored, 16) & 1 << (signal.SIGINT - 1)
        service.posted()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("sent", [10, len(request_bytes("POST", "/log/event/", LENGTH)) + 5])
def test_a_request_that_has_begun_is_answered(site: Site, number: int, sent: int) -> None:
    request = request_bytes("POST", "/log/event/", LENGTH, body=BODY)
    with site.running() as service, service.opened() as connection, service.connected() as other:
        connection.sendall(request[:sent])
        for _ in range(2):  # answered over the other connection: the bytes sent before over this one were read, too
            assert ask(other, "GET", "/ping").status == 200
        service.signal(number)
        assert read_all(other.sock) == b""  # whoever asks for nothing is let go: the process is ending
        connection.sendall(request[sent:])
        answer = read_all(connection)
        assert statuses(answer) == [200]
        assert b"connection: close" in answer
        if number == signal.SIGTERM:
            assert service.wait() == 0
        else:
            event_id = answer.rpartition(b'"entry_')[2].rstrip(b'"').decode()
            assert service.get(f"/log/event/entry_{event_id}").status == 200


def test_a_body_without_end_is_cut_off(site: Site) -> None:
    with site.running() as service, service.opened() as connection:
        connection.sendall(request_bytes("POST", "/log/event/", "Content-Length: 1000", "Expect: 100-continue"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")  # the application waits for it
        connection.sendall(b"{")
        service.signal(signal.SIGTERM)
        assert service.process.wait(STOP_SECONDS) == 0
        assert statuses(read_all(connection)) == [503]
        service.log.wait_for_end()
        assert "Traceback" not in service.log.text


def test_requests_go_on_while_the_configuration_is_read_again(site: Site) -> None:
    with site.running() as service, posting(service) as poster:
        for count in range(1, 4):
            site.keys["stats_service.max_body_bytes"] = 2000 * count
            site.write()
            service.signal(signal.SIGHUP)
            service.log.wait_for("configuration read again", count=count)
            assert service.post(b"x" * (2000 * count + 1)).status == 413
            assert service.post(b"x" * (2000 * count)).status == 400
            poster.wait_for(50)
        ids = poster.stop()
        assert poster.failures == []
        assert len(service.events("event=load&limit=1000")) == min(len(ids), 1000)


@pytest.mark.parametrize("broken", ["config", "users"])
def test_a_broken_file_leaves_the_old_settings(site: Site, broken: str) -> None:
    with site.running() as service:
        getattr(site, broken).write_text("[app:main]\nstats_service.workers = x\n")
        service.signal(signal.SIGHUP)
        line = service.log.wait_for(r"configuration not read again.*\n")[0]
        assert str(getattr(site, broken)) in line
        service.posted()
        site.write()
        site.write_users(PAIR)
        service.signal(signal.SIGHUP)
        service.log.wait_for("configuration read again")
        service.posted()


def test_tokens_come_and_go_with_the_file_of_users(site: Site) -> None:
    fresh = generate_pair("statsbob")
    with site.running() as service:
        assert service.post(EVENT, token=fresh.token.reveal()).status == 403
        site.write_users(fresh)
        wait_until(
            lambda: service.post(EVENT, token=fresh.token.reveal()).status == 200,
            lambda: service.log.text,
            deadline_seconds=WAIT_SECONDS,
        )
        assert service.post(EVENT, token=TOKEN).status == 403


def test_workers_share_one_outbox(tmp_path: Path) -> None:
    with Site.at(tmp_path, workers=3).running() as service:
        assert len(service.pids("worker")) == 3
        with posting(service, connections=6) as poster:
            poster.wait_for(300)
            ids = poster.stop()
        for event_id in ids[::10]:
            for _ in range(3):  # each over a connection of its own, which any worker may get
                assert service.get(f"/log/event/{event_id}").status == 200
        with closing(sqlite3.connect(service_outbox(tmp_path))) as outbox:
            rows = outbox.execute("SELECT accepted FROM events").fetchall()
        assert len(rows) == len(set(rows)) == len(ids)


@pytest.mark.parametrize("role", ["worker", "keeper"])
def test_a_process_that_is_killed_is_replaced(site: Site, role: str) -> None:
    with site.running() as service:
        event_id = service.posted()
        (pid,) = service.pids(role)
        os.kill(pid, signal.SIGKILL)
        service.log.wait_for(f"process died: role={role} pid={pid} code=-9")
        assert service.get(f"/log/event/{event_id}").status == 200  # waits in the socket's queue for the new one
        assert pid not in service.pids(role)


def test_the_children_end_with_the_supervisor(site: Site) -> None:
    site.port = free_port("127.0.0.1")
    site.write()
    with site.running() as service:
        event_id = service.posted()
        service.process.kill()
        with site.running() as next_one:  # at once, on the same port and outbox
            assert next_one.get(f"/log/event/{event_id}").status == 200
            next_one.posted()
        service.log.wait_for_end()  # which every child holds open


def test_what_was_answered_is_there_after_any_end(tmp_path: Path) -> None:
    site = Site.at(tmp_path, workers=2)
    answered: list[str] = []
    for life in range(LIVES):
        with site.running() as service, posting(service, connections=4) as poster:
            poster.wait_for(5 + 3 * life)
            processes = [service.process.pid, *service.pids("worker"), *service.pids("keeper")]
            for pid in processes:
                os.kill(pid, signal.SIGKILL)
            answered += poster.stop()
    with site.running() as service:
        lost = [event_id for event_id in answered if service.get(f"/log/event/{event_id}").status != 200]
        assert lost == []
    assert len(answered) > LIVES


def test_a_full_disk_is_told_and_gets_over(site: Site) -> None:
    with site.running() as service:
        kept = [service.posted()]
        (worker,) = service.pids("worker")
        with file_size_limit(worker, site.outbox.with_name(f"{site.outbox.name}-wal").stat().st_size + 100_000):
            while (reply := service.post({**EVENT, "text": "x" * 10_000})).status == 200:
                kept.append(str(reply.json()))
            assert reply.status == 503
            assert int(reply.headers["retry-after"]) > 0
            assert service.get("/health").status == 503  # though its own probe is smaller
            assert service.get(f"/log/event/{kept[0]}").status == 200
        with file_size_limit(worker, 1):  # not even a byte
            health = service.get("/health")
            assert health.status == 503
            assert "events cannot be kept" in health.body.decode()
        kept.append(service.posted())
        assert all(service.get(f"/log/event/{event_id}").status == 200 for event_id in kept)
        assert len(service.events()) == len(kept)


def test_a_damaged_outbox_is_told_once_and_its_events_are_saved(site: Site) -> None:
    with site.running() as service:
        ids = [service.posted({**EVENT, "text": "x" * 2000}) for _ in range(20)]
        assert service.stop() == 0
    with site.outbox.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(b"\xff" * 4096)
    with site.running() as service:
        assert service.log.text.count("the outbox was damaged") == 1
        assert "events " in service.log.wait_for("of its own tables what could be read: .*")[0]
        assert 200 in {service.get(f"/log/event/{event_id}").status for event_id in ids}


def removed(site: Site) -> None:
    for path in site.outbox.parent.glob(f"{site.outbox.name}*"):
        path.unlink()


def test_what_an_outbox_would_lose_that_was_removed_is_not_accepted(tmp_path: Path) -> None:
    site = Site.at(tmp_path, workers=2)
    with site.running() as service:
        service.posted()
        removed(site)
        answered: list[str] = []

        def is_accepted() -> bool:
            reply = service.post(EVENT)
            answered.extend([str(reply.json())] if reply.status == 200 else [])
            return len(answered) > 20

        first = service.post(EVENT)
        assert (first.status, "retry-after" in first.headers) == (503, True)
        wait_until(is_accepted, lambda: service.log.text, deadline_seconds=WAIT_SECONDS)
        service.log.wait_for("the outbox was removed or replaced while it was in use")
        for pid in (service.process.pid, *service.pids("worker"), *service.pids("keeper")):
            os.kill(pid, signal.SIGKILL)
    with site.running() as service:
        assert {service.get(f"/log/event/{event_id}").status for event_id in answered} == {200}


def test_an_outbox_that_was_removed_is_told_by_the_health_and_begun_anew(site: Site) -> None:
    with site.running() as service:
        before = service.pids("worker")
        removed(site)
        health = service.get("/health")
        assert (health.status, b"was removed" in health.body) == (503, True)
        wait_until(
            lambda: site.outbox.exists() and service.get("/health").status == 200,
            lambda: service.log.text,
            deadline_seconds=WAIT_SECONDS,
        )
        service.log.wait_for("process ended: role=keeper: .*was removed")
        assert service.pids("worker") != before
        service.posted()


def test_without_its_state_directory_the_service_ends_and_says_so(site: Site) -> None:
    with site.running() as service:
        removed(site)
        site.outbox.parent.rmdir()
        assert service.post(EVENT).status == 503
        assert service.wait() == 1
        assert service.log.text.endswith(
            f"stats-service: {site.outbox.parent}: the state directory was removed while it was in use\n"
        )


def test_an_outbox_that_somebody_locks_is_told_and_gets_over(site: Site) -> None:
    with site.running(PATIENT, site.config, "--outbox-seconds", "0.2") as service:
        with closing(sqlite3.connect(site.outbox, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            reply = service.post(EVENT)
            assert reply.status == 503
            assert int(reply.headers["retry-after"]) > 0
            assert service.get("/health").status == 503
            other.execute("ROLLBACK")
        assert len(service.events()) == 0
        service.posted()


def test_a_full_outbox_is_told(tmp_path: Path) -> None:
    site = Site.at(tmp_path, outbox_max_bytes=2000)
    site.keys["influxdb.url"] = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    site.write()
    with site.running() as service:
        answers = [service.post({"event": "e", "uid": "u"}) for _ in range(50)]
        kinds = [answer.status for answer in answers]
        assert set(kinds) == {200, 503}
        assert int(answers[-1].headers["retry-after"]) > 0
        health = service.get("/health")
        assert (health.status, b"is full" in health.body) == (503, True)
        assert len(service.log.text) < 100_000
        service.signal(signal.SIGTERM)
        assert service.process.wait(STOP_SECONDS) == 0


def test_systemd_is_told_how_the_service_is(site: Site, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(tmp_path / "notify"))
        notified.settimeout(WAIT_SECONDS)
        site.environment |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
        with site.running() as service:
            expect(notified, "READY=1")
            expect(notified, "WATCHDOG=1")
            service.signal(signal.SIGHUP)
            expect(notified, "RELOADING=1")
            expect(notified, "READY=1")
            expect(notified, "WATCHDOG=1")
            service.signal(signal.SIGTERM)
            expect(notified, "STOPPING=1")
            assert service.wait() == 0


def expect(notified: socket.socket, message: str) -> None:
    """Wait for a message to systemd; watchdog messages may come before it."""
    while (said := notified.recv(4096).decode().split("\n")[0]) != message:
        assert said == "WATCHDOG=1"


def service_outbox(home: Path) -> Path:
    return home / "state" / "stats-service.outbox"


@contextmanager
def file_size_limit(pid: int, size: int) -> Iterator[None]:
    """Let a process write no file beyond a size, as if the disk were full."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
