"""Several processes with one file, and kill -9."""

import json
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from importer.outbox import Outbox
from importer.points import Payload
from tests import outbox_children
from tests.doubles import WAIT_SECONDS
from tests.outbox_children import CURSOR, DAYS, LANE, STEPS
from tests.outbox_file.outbox_files import drain


def test_two_processes_write_at_once_and_lose_nothing(path: Path) -> None:
    days = 60
    lanes = ["memory://first", "memory://second", LANE]
    with (
        outbox_children.started(outbox_children.commit_days, path, lanes[0], days) as first,
        outbox_children.started(outbox_children.commit_days, path, lanes[1], days) as second,
        outbox_children.started(outbox_children.open_and_close, path, 100) as third,
    ):
        for process in (first, second):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        third.communicate(timeout=WAIT_SECONDS)
        with Outbox(path) as outbox:
            first_said, second_said = (talk(process) for process in (first, second))
            for day in range(1, days + 1):
                with outbox.transaction() as transaction:
                    transaction.add(LANE, [Payload(b"%d" % day, 1)])
                    transaction.move_cursor(LANE, day)
            for process, thread in (first_said, second_said):
                thread.join(WAIT_SECONDS)
                assert process.wait(WAIT_SECONDS) == 0
            assert third.returncode == 0
            assert outbox.damage == ""
            assert outbox.cursors() == dict.fromkeys(lanes, days)
            for lane in lanes:
                assert drain(outbox, lane) == [b"%d" % day for day in range(1, days + 1)]


def talk(process: subprocess.Popen[str]) -> tuple[subprocess.Popen[str], threading.Thread]:
    """Let a child begin, and read what it says."""
    thread = threading.Thread(target=process.communicate, args=("go\n",))
    thread.start()
    return process, thread


def test_a_lane_is_held_by_one_process_and_freed_by_its_death(path: Path) -> None:
    with Outbox(path) as outbox, outbox_children.started(outbox_children.hold_lane, path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        asked: list[bool] = []

        def wait() -> bool:
            asked.append(True)
            return len(asked) < 3

        with outbox.lane_lock(LANE, wait=wait) as mine:
            assert not mine
        assert len(asked) == 3
        with outbox.lane_lock("memory://b", wait=lambda: False) as mine:
            assert mine

        def kill() -> bool:
            holder.kill()
            holder.wait()
            return True

        with outbox.lane_lock(LANE, wait=kill) as mine:
            assert mine


def test_two_outboxes_of_one_process_do_not_hold_a_lane_at_once(path: Path) -> None:
    with (
        Outbox(path) as one,
        Outbox(path) as other,
        one.lane_lock(LANE, wait=lambda: False) as first,
        other.lane_lock(LANE, wait=lambda: False) as second,
    ):
        assert (first, second) == (True, False)


def stored_days(store: Path) -> list[int]:
    """Return the days of the points in a store that the children deliver to, as they came."""
    lines = store.read_text().splitlines() if store.exists() else []
    return [int(timestamp) // 86400 for line in lines for _, _, timestamp in json.loads(line)]


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_store_has_each_point_in_the_end(path: Path, tmp_path: Path, step: str) -> None:
    store = tmp_path / "store"
    assert outbox_children.run(outbox_children.import_and_deliver, path, store, step) == -signal.SIGKILL
    committed = STEPS.index(step) > STEPS.index("before commit")
    with Outbox(path) as outbox:
        assert outbox.damage == ""
        assert outbox.cursors() == ({CURSOR: DAYS} if committed else {})
        waiting = sum(lane.payloads for lane in outbox.lanes())
    in_doubt = step == "after deliver"
    assert waiting + len(stored_days(store)) == (DAYS + in_doubt if committed else 0)

    assert outbox_children.run(outbox_children.import_and_deliver, path, store, "none") == 0
    days = stored_days(store)
    assert sorted(set(days)) == list(range(1, DAYS + 1))
    assert len(days) == DAYS + in_doubt
    assert days == sorted(days)


def test_killed_at_any_time_a_commit_that_was_told_is_there(path: Path) -> None:
    told = 0
    for number in range(4):
        with outbox_children.started(outbox_children.commit_days, path, LANE, 100_000) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            assert process.stdout.readline() == "ready\n"
            for _ in range(10 + 7 * number):
                told = int(process.stdout.readline())
            process.kill()
            process.wait()
            rest = process.stdout.read().splitlines()
            told = int(rest[-1]) if rest and rest[-1] else told
        with Outbox(path) as outbox:
            assert outbox.damage == ""
            last = outbox.cursors()[LANE]
            assert last in {told, told + 1}
            assert drain(outbox, LANE) == [b"%d" % day for day in range(1, last + 1)]
