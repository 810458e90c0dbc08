"""Other destinations while it runs."""

import threading
from pathlib import Path

from importer.lane import LaneReport
from importer.outbox import Outbox
from tests.delivery.lanes import A, B, add, frozen, taken, waiting
from tests.doubles import WAIT_SECONDS, Gate, MemorySink, unavailable


def test_only_the_lanes_that_are_named_are_tried(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, A, "a")
    add(outbox, B, "b")
    first, second = MemorySink(A), MemorySink(B)
    with frozen(outbox, first, second, stop=stop) as delivery:
        assert delivery.deliver_now([B]) == [LaneReport(B, 1, 1)]
        assert first.attempts.empty()
        delivery.nudge([A])
        first.next_attempt()


def test_a_destination_that_is_left_out_is_closed_and_the_others_go_on(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, A, "a")
    add(outbox, B, "b")
    gone, stays = MemorySink(A), MemorySink(B)
    with frozen(outbox, gone, stays, stop=stop) as delivery:
        delivery.replace([stays])
        assert (gone.closed, stays.closed) == (True, False)
        assert delivery.deliver_now() == [LaneReport(B, 1, 1)]
    assert waiting(outbox, A) == 1


def test_a_destination_that_is_replaced_finishes_what_it_has_in_hand(tmp_path: Path, stop: threading.Event) -> None:
    gate = Gate()
    old, new = MemorySink(A, answers=[gate]), MemorySink(A)
    with Outbox(tmp_path / "outbox.db") as outbox:
        add(outbox, A, "1", "2")
        with frozen(outbox, old, stop=stop) as delivery:
            delivery.nudge()
            gate.wait_until_entered()
            delivery.replace([new])
            waiter = threading.Thread(target=delivery.deliver_now)
            waiter.start()
            gate.open()
            waiter.join(WAIT_SECONDS)
    assert (taken(old), taken(new)) == (["1"], ["2"])
    assert old.closed


def test_a_destination_that_comes_in_is_delivered_to(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, B, "b")
    with frozen(outbox, MemorySink(A), stop=stop) as delivery:
        delivery.replace([MemorySink(A), MemorySink(B)])
        assert delivery.deliver_now() == [LaneReport(A), LaneReport(B, 1, 1)]


def test_what_was_asked_of_a_destination_that_is_replaced_is_done_by_the_other(
    tmp_path: Path, stop: threading.Event
) -> None:
    gate = Gate()
    old, new = MemorySink(A, answers=[gate]), MemorySink(A)
    with Outbox(tmp_path / "outbox.db") as outbox, frozen(outbox, old, stop=stop) as delivery:
        add(outbox, A, "1")
        delivery.nudge()
        gate.wait_until_entered()
        add(outbox, A, "2")
        delivery.nudge()
        delivery.replace([new])
        gate.open()
        assert new.next_attempt().data == b"2"


def test_a_destination_that_is_replaced_in_a_pause_is_tried_by_the_other(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, A, "1")
    old, new = MemorySink(A, answers=[unavailable()]), MemorySink(A)
    with frozen(outbox, old, stop=stop) as delivery:
        delivery.deliver_now()
        delivery.replace([new])
        assert new.next_attempt().data == b"1"


def test_who_waits_for_a_destination_that_is_left_out_is_let_go(outbox: Outbox, stop: threading.Event) -> None:
    gate = Gate()
    add(outbox, A, "1")
    with frozen(outbox, MemorySink(A, answers=[gate]), stop=stop) as delivery:
        reports: list[list[LaneReport]] = []
        waiter = threading.Thread(target=lambda: reports.append(delivery.deliver_now()))
        waiter.start()
        gate.wait_until_entered()
        delivery.replace([])
        waiter.join(WAIT_SECONDS)
        assert reports == [[]]
        gate.open()
