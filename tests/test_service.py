import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from importer.service import Notifier, Signals

WAIT_SECONDS = 20.0


@contextmanager
def started(code: str) -> Iterator[subprocess.Popen[str]]:
    """Run Python code in a process, and wait for its first line."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", f"from importer.service import Signals\n{code}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def rest(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_the_wait_of_the_main_thread(number: signal.Signals) -> None:
    code = "with Signals() as signals:\n print('ready'); print(signals.stop.wait(60), signals.wake.is_set())"
    with started(code) as process:
        process.send_signal(number)
        assert rest(process) == (0, "True True\n", "")


def test_a_hangup_asks_for_a_reload_each_time() -> None:
    code = """
with Signals() as signals:
    print('ready')
    while signals.wake.wait(60):
        if signals.take_reload():
            print('reload')
        elif signals.stop.is_set():
            print('stop')
            break
"""
    with started(code) as process:
        assert process.stdout is not None
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
            assert process.stdout.readline() == "reload\n"
        process.send_signal(signal.SIGTERM)
        assert rest(process) == (0, "stop\n", "")


def test_a_wake_without_a_reason_is_taken_back() -> None:
    signals = Signals()
    signals.wake.set()
    assert not signals.take_reload()
    assert not signals.wake.is_set()


def test_a_stop_keeps_everybody_awake() -> None:
    signals = Signals()
    signals.reload.set()
    signals.stop.set()
    assert signals.take_reload()
    assert signals.wake.is_set()


def test_a_hangup_stays_ignored_under_nohup() -> None:
    code = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with Signals() as signals:
    print('ready')
    signals.wake.wait(60)
    print(signals.reload.is_set())
"""
    with started(code) as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert rest(process) == (0, "False\n", "")


def test_a_child_leaves_the_keyboard_to_its_parent() -> None:
    code = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
with Signals(is_child=True) as signals:
    print('ready')
    signals.stop.wait(60)
    print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)
"""
    with started(code) as process:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert rest(process) == (0, "True\n", "")


def test_signals_that_rain_on_a_busy_event_do_not_lock_it() -> None:
    code = """
import os, signal, threading
def rain():
    for _ in range(3000):
        os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGTERM)
with Signals() as signals:
    print('ready')
    threading.Thread(target=rain, daemon=True).start()
    while not signals.stop.is_set():
        signals.wake.wait(0.001)
        signals.take_reload()
        signals.reload.set(); signals.wake.set()
print('left')
"""
    with started(code) as process:
        assert rest(process) == (0, "left\n", "")


def test_a_process_that_hangs_is_ended_all_the_same() -> None:
    code = """
import signal, threading
with Signals(exit_within_seconds=0.2):
    print('ready')
    threading.Lock().acquire() and threading.Event().wait()
"""
    with started(code) as process:
        process.send_signal(signal.SIGTERM)
        code_, out, err = rest(process)
    assert (code_, out) == (0, "")
    assert "ended while busy" in err


def test_a_process_that_leaves_in_time_keeps_its_own_code() -> None:
    code = "import sys\nwith Signals(exit_within_seconds=1) as s:\n print('ready'); s.stop.wait(); sys.exit(3)"
    with started(code) as process:
        process.send_signal(signal.SIGTERM)
        assert rest(process)[0] == 3


def test_leaving_restores_handlers_and_descriptor() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    threads = threading.active_count()
    with Signals():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.set_wakeup_fd(-1) == -1
    assert threading.active_count() == threads


def test_a_signal_inside_this_process_sets_the_event_and_nothing_else() -> None:
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.stop.wait(WAIT_SECONDS)
        assert not signals.reload.is_set()
        assert not signals.take_reload()


def test_a_stop_during_a_reload_still_wakes() -> None:
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert signals.reload.wait(WAIT_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.stop.wait(WAIT_SECONDS)
        assert signals.take_reload()
        assert signals.wake.wait(WAIT_SECONDS)


# systemd


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket as systemd has it, and what it puts into NOTIFY_SOCKET."""
    name = f"@importer-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name[1:]}" if name.startswith("@") else name)
        receiver.settimeout(WAIT_SECONDS)
        yield receiver, name


def test_systemd_is_told(listener: tuple[socket.socket, str]) -> None:
    receiver, name = listener
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready()
    notifier.status("12 apps\nREADY=0")
    notifier.stopping()
    assert [receiver.recv(1000) for _ in range(3)] == [b"READY=1", b"STATUS=12 apps READY=0", b"STOPPING=1"]


def test_a_reload_comes_with_the_time(listener: tuple[socket.socket, str]) -> None:
    receiver, name = listener
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Notifier({"NOTIFY_SOCKET": name}).reloading()
    first, second = receiver.recv(1000).decode().split("\n")
    assert first == "RELOADING=1"
    key, _, microseconds = second.partition("=")
    assert key == "MONOTONIC_USEC"
    assert before <= int(microseconds) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_the_watchdog_gets_its_beats(listener: tuple[socket.socket, str]) -> None:
    receiver, name = listener
    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
    assert notifier.watchdog_interval_seconds == 15
    notifier.beat()
    assert receiver.recv(1000) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": ""},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "-5"},
        {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"},
    ],
)
def test_without_a_watchdog_no_beat_is_sent(listener: tuple[socket.socket, str], environment: dict[str, str]) -> None:
    receiver, name = listener
    notifier = Notifier({"NOTIFY_SOCKET": name} | environment)
    assert notifier.watchdog_interval_seconds is None
    notifier.beat()
    notifier.ready()
    assert receiver.recv(1000) == b"READY=1"


def test_without_systemd_nothing_is_sent_and_nothing_said(caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({})
    notifier.ready()
    notifier.beat()
    assert caplog.text == ""


def test_a_message_that_cannot_be_sent_does_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "absent")}).ready()
    Notifier({"NOTIFY_SOCKET": "/" + "x" * 200}).ready()
    assert caplog.text.count("systemd not told: message=READY=1") == 2
