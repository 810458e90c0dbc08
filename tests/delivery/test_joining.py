"""Payloads that are delivered as one."""

import logging
import threading

import pytest

from importer import outbox_view
from importer.delivery import Delivery
from importer.errors import PartlyRejected, Rejected
from importer.lane import LaneReport
from importer.outbox import Outbox
from importer.points import Payload
from tests.delivery.lanes import A, add, frozen, lane_of, payload, taken, waiting
from tests.doubles import FakeClock, MemorySink, unavailable


class Joining(MemorySink):
    joined_points = 5


def test_payloads_that_wait_are_delivered_together_up_to_so_many_points(outbox: Outbox) -> None:
    add(outbox, A, *"abcdefg")
    sink = Joining(A)
    assert lane_of(outbox, sink).drain() == LaneReport(A, delivered=7, points=7)
    assert taken(sink) == ["abcde", "fg"]


def test_a_payload_of_more_points_goes_alone(outbox: Outbox) -> None:
    with outbox.transaction() as transaction:
        transaction.add(A, [payload("a"), payload("b", points=9), payload("c")])
    sink = Joining(A)
    lane_of(outbox, sink).drain()
    assert taken(sink) == ["a", "b", "c"]


def test_payloads_that_are_joined_stay_within_a_size(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_view, "MAX_JOINED_BYTES", 10)
    add(outbox, A, "a" * 6, "b" * 4, "c" * 11, "d")
    sink = Joining(A)
    lane_of(outbox, sink).drain()
    assert taken(sink) == ["aaaaaabbbb", "c" * 11, "d"]


def test_states_and_other_formats_are_not_joined(outbox: Outbox) -> None:
    with outbox.transaction() as transaction:
        state = Payload(b"s", 1, replace_key="state")
        transaction.add(A, [payload("a"), state, payload("b"), payload("c"), Payload(b"x", 1, "other")])
    sink = Joining(A)
    lane_of(outbox, sink).drain()
    assert taken(sink) == ["a", "s", "bc", "x"]


def test_of_joined_payloads_that_are_rejected_each_is_tried_alone(outbox: Outbox) -> None:
    add(outbox, A, "a", "b", "c")
    sink = Joining(A, answers=[Rejected(A, "one of them"), None, Rejected(A, "this one")])
    report = lane_of(outbox, sink).drain()
    assert report == LaneReport(A, delivered=2, points=2, rejected=1, rejection="this one")
    assert [reject.reason for reject in outbox.rejects()] == ["this one"]


def test_the_parts_that_a_destination_can_never_take_are_set_aside_alone(outbox: Outbox) -> None:
    add(outbox, A, "a", "b", "c")
    parts = [(payload("b"), "too odd"), (payload("c"), "too\nlong")]
    report = lane_of(outbox, Joining(A, answers=[PartlyRejected(A, parts)])).drain()
    assert report == LaneReport(A, delivered=3, points=1, rejected=2, rejection="too long")
    assert waiting(outbox) == 0
    assert [(reject.points, reject.reason) for reject in outbox.rejects()] == [(1, "too odd"), (1, "too long")]
    outbox.retry()
    sink = Joining(A)
    lane_of(outbox, sink).drain()
    assert taken(sink) == ["bc"]


def test_of_what_was_set_aside_nothing_is_told_as_sent(
    outbox: Outbox, stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for texts, sent in {("b",): [], ("a", "b"): ["metrics sent: 1 lane=memory://a payloads=2"]}.items():
        add(outbox, A, *texts)
        answers = [PartlyRejected(A, [(payload("b"), "too odd")])]
        with frozen(outbox, Joining(A, answers=answers), stop=stop) as delivery:
            delivery.deliver_now()
        assert [line for line in caplog.messages if line.startswith("metrics sent")] == sent


def test_of_each_delivery_the_oldest_payload_is_told(outbox: Outbox, stop: threading.Event) -> None:
    add(outbox, A, "a", "b", "c")
    told: list[bytes] = []
    answers = [unavailable(), Rejected(A, "together"), None, Rejected(A, "alone")]
    sink = Joining(A, answers=answers)
    deliveries = Delivery(
        outbox, [sink], stop=stop, clock=FakeClock(), delivered=lambda oldest: told.append(oldest.payload.data)
    )
    with deliveries as delivery:
        for _ in range(2):
            delivery.deliver_now()
    assert told == [b"a", b"c"]
