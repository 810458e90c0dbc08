"""The children of one configuration, by a clock of the test's own."""

import logging
import os
import signal
from collections.abc import Iterator

import pytest

from importer.events.service.generation import RESTART_SECONDS, STOP_SECONDS, Generation, Plan, Role

STUBBORN = "trap '' TERM; echo ready; exec sleep 60"
ROLE = Role("worker", lambda _ready: 0)


@pytest.fixture
def generation() -> Iterator[Generation]:
    """One whose children are killed after the test."""
    generation = Generation(Plan([ROLE], prepare=lambda: None))
    yield generation
    generation.stop(0.0)
    generation.reap(STOP_SECONDS)
    while generation:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        generation.reap(0.0)


def child(generation: Generation, script: str) -> int:
    """Start a child, which has said that it is ready if it is to; return its id."""
    read, write = os.pipe()
    with os.fdopen(read) as said:
        output = [(os.POSIX_SPAWN_DUP2, write, 1)]
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ, file_actions=output)
        os.close(write)
        assert "ready" not in script or said.readline() == "ready\n"
    generation.add(ROLE, pid)
    return pid


def wait_for_end(pid: int) -> None:
    """Return when a process has ended, and leave it to the generation to take note of that."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.mark.parametrize("script", ["exit 1", "kill -KILL $$"])
def test_a_death_is_told_at_once_and_made_good_after_a_while(
    generation: Generation, script: str, caplog: pytest.LogCaptureFixture
) -> None:
    wait_for_end(child(generation, script))
    generation.reap(10.0)
    assert caplog.text.count("process died: role=worker") == 1
    assert generation.has_failed(10.0)
    assert generation.next_moment == 10.0 + RESTART_SECONDS
    assert generation.take_due(10.0 + RESTART_SECONDS / 2) == []
    assert generation.take_due(10.0 + RESTART_SECONDS) == [ROLE]
    assert caplog.text.count("process died: role=worker") == 1


@pytest.mark.parametrize("script", ["exit 0", "kill -TERM $$"])
def test_an_end_that_somebody_asked_for_is_told_when_the_service_does_not_end_with_it(
    generation: Generation, script: str, caplog: pytest.LogCaptureFixture
) -> None:
    wait_for_end(child(generation, script))
    generation.reap(10.0)
    assert not generation.has_failed(10.0)
    assert caplog.text == ""
    assert generation.take_due(10.0 + RESTART_SECONDS) == [ROLE]
    assert caplog.text.count("process died: role=worker") == 1


def test_an_end_just_before_that_of_the_service_is_not_told(
    generation: Generation, caplog: pytest.LogCaptureFixture
) -> None:
    wait_for_end(child(generation, "exit 0"))
    generation.reap(10.0)
    generation.stop(10.0 + RESTART_SECONDS / 2)
    assert generation.take_due(10.0 + RESTART_SECONDS) == []
    assert caplog.text == ""


def test_children_that_do_not_end_are_killed(generation: Generation, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    stubborn = child(generation, STUBBORN)
    generation.stop(10.0)
    assert generation.next_moment == 10.0 + STOP_SECONDS
    generation.reap(10.0 + STOP_SECONDS - 0.1)
    assert caplog.text == ""
    generation.reap(10.0 + STOP_SECONDS)
    assert f"process killed, it did not end: role=worker pid={stubborn}" in caplog.text
    wait_for_end(stubborn)
    generation.reap(10.0 + STOP_SECONDS)
    assert len(generation) == 0


def test_it_is_ready_when_every_child_is(generation: Generation) -> None:
    first, second = child(generation, STUBBORN), child(generation, STUBBORN)
    generation.note_ready(first)
    assert not generation.is_ready
    generation.note_ready(second)
    generation.note_ready(0)
    assert generation.is_ready
    os.kill(first, signal.SIGKILL)
    wait_for_end(first)
    generation.reap(0.0)
    assert not generation.is_ready
