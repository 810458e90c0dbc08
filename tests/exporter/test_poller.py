"""A service is polled, and polled again, whatever came of the poll before."""

import logging
import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from importer.exporter.base import Fault, FaultKind, Outcome
from importer.exporter.family import Family
from importer.exporter.poller import FaultLog, Poller, poll_once, wait_seconds
from importer.exporter.vitals import Vitals
from tests.exporter.scripted import WAIT_SECONDS, ScriptedService, gauge

REFUSED = Outcome([Fault(FaultKind.STATUS, "HTTP 403 from https://example.com/stats: no")])


@contextmanager
def polling(
    service: ScriptedService, *, interval_seconds: float = 0.0
) -> Iterator[queue.SimpleQueue[Sequence[Family]]]:
    """Run a poller; yields what it hands on."""
    handed: queue.SimpleQueue[Sequence[Family]] = queue.SimpleQueue()
    poller = Poller(
        service,
        Vitals(service.name),
        [lambda families, _outcome: handed.put(families)],
        interval_seconds=interval_seconds,
    )
    poller.start()
    try:
        yield handed
    finally:
        poller.stop()
        service.end()
        assert service.closed.wait(WAIT_SECONDS)


def test_what_each_poll_has_to_show_is_handed_on() -> None:
    service = ScriptedService()
    with polling(service) as handed:
        for value in (1.0, 2.0):
            service.let(Outcome(), gauge("depth", value))
            (family,) = handed.get(timeout=WAIT_SECONDS)
            assert [sample.value for sample in family.samples] == [value]


def test_after_a_failed_poll_what_there_was_is_shown_still() -> None:
    service = ScriptedService()
    with polling(service) as handed:
        for outcome in (Outcome(), REFUSED, Outcome()):
            service.let(outcome, *([] if outcome.faults else [gauge("depth", 1.0)]))
            (family,) = handed.get(timeout=WAIT_SECONDS)
            assert family.samples[0].value == 1.0


def test_a_bug_in_a_service_costs_one_poll(caplog: pytest.LogCaptureFixture) -> None:
    service = ScriptedService()
    with polling(service) as handed:
        service.let(ZeroDivisionError("division by zero"))
        service.let(Outcome(), gauge("depth", 1.0))
        handed.get(timeout=WAIT_SECONDS)
        assert handed.get(timeout=WAIT_SECONDS)
    assert "shop: a fault of its own: ZeroDivisionError" in caplog.text


def test_a_bug_in_what_takes_the_figures_costs_no_poll_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    service = ScriptedService()
    poller = Poller(service, Vitals("shop"), [_failing], interval_seconds=0.0)
    poller.start()
    for _ in range(3):
        service.let(Outcome(), gauge("depth", 1.0))
        assert service.began.acquire(timeout=WAIT_SECONDS)
    poller.stop()
    service.end()
    assert service.closed.wait(WAIT_SECONDS)
    told = [record for record in caplog.records if "a fault of its own: ZeroDivisionError" in record.getMessage()]
    assert [record.exc_info is not None for record in told if record.levelno == logging.ERROR] == [True]


def _failing(_families: Sequence[Family], _outcome: Outcome) -> None:
    raise ZeroDivisionError


def test_a_bug_that_stays_is_told_with_its_traceback_once(caplog: pytest.LogCaptureFixture) -> None:
    service = ScriptedService()
    with polling(service) as handed:
        for _ in range(3):
            service.let(ZeroDivisionError("division by zero"))
            handed.get(timeout=WAIT_SECONDS)
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_who_comes_after_another_polls_once_that_one_has_ended() -> None:
    events: list[str] = []

    class Noting(ScriptedService):
        def poll(self) -> Outcome:
            events.append(f"{self.name} begins")
            return super().poll()

        def close(self) -> None:
            events.append(f"{self.name} ends")
            super().close()

    former, heir = Noting("former"), Noting("heir")
    pollers = [Poller(service, Vitals(service.name), [], interval_seconds=0.0) for service in (former, heir)]
    pollers[0].start()
    assert former.began.acquire(timeout=WAIT_SECONDS)
    pollers[0].stop()
    pollers[1].start(after=pollers[0])
    former.let(Outcome())
    assert heir.began.acquire(timeout=WAIT_SECONDS)
    pollers[1].stop()
    heir.end()
    assert heir.closed.wait(WAIT_SECONDS)
    assert events == ["former begins", "former ends", "heir begins", "heir ends"]


def test_what_a_poll_brought_after_the_stop_is_not_handed_on() -> None:
    service = ScriptedService()
    handed: queue.SimpleQueue[Sequence[Family]] = queue.SimpleQueue()
    poller = Poller(
        service, Vitals(service.name), [lambda families, _outcome: handed.put(families)], interval_seconds=0
    )
    poller.start()
    assert service.began.acquire(timeout=WAIT_SECONDS)
    poller.stop()
    service.let(Outcome(), gauge("depth", 1.0))
    assert service.closed.wait(WAIT_SECONDS)
    assert handed.empty()


def test_a_shorter_interval_goes_for_the_wait_under_way() -> None:
    service = ScriptedService()
    poller = Poller(service, Vitals(service.name), [], interval_seconds=3600)
    poller.start()
    assert service.began.acquire(timeout=WAIT_SECONDS)
    service.let(Outcome())
    poller.set_interval(0)
    assert service.began.acquire(timeout=WAIT_SECONDS)
    poller.stop()
    service.end()
    assert service.closed.wait(WAIT_SECONDS)


@pytest.mark.parametrize(
    ("interval_seconds", "outcome", "expected"),
    [
        (2.0, Outcome(), 2.0),
        (300.0, Outcome(), 300.0),
        (2.0, REFUSED, 2.0),
        (300.0, REFUSED, 60.0),
        (2.0, Outcome(REFUSED.faults, retry_after_seconds=30.0), 30.0),
        (2.0, Outcome(REFUSED.faults, retry_after_seconds=90_000.0), 3600.0),
        (300.0, Outcome(REFUSED.faults, retry_after_seconds=1.0), 60.0),
    ],
)
def test_the_wait_after_a_poll(interval_seconds: float, outcome: Outcome, expected: float) -> None:
    assert wait_seconds(interval_seconds, outcome) == expected


def test_a_fault_is_told_when_it_begins_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "importer")
    log = FaultLog("shop")
    log.tell(Outcome())
    for _ in range(3):
        log.tell(REFUSED)
    log.tell(Outcome())
    log.tell(REFUSED)
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    refused = ("ERROR", "shop: HTTP 403 from https://example.com/stats: no")
    assert told == [refused, ("INFO", "shop: all is well again"), refused]


def test_another_fault_meanwhile_is_told_and_the_first_one_not_again(caplog: pytest.LogCaptureFixture) -> None:
    log = FaultLog("shop")
    slow = Outcome([Fault(FaultKind.TIMEOUT, "no answer within 30 s")])
    for outcome in (REFUSED, slow, REFUSED, slow):
        log.tell(outcome)
    assert len(caplog.records) == 2


def test_a_poll_is_counted_with_the_time_that_it_took() -> None:
    times = iter([100.0, 102.5])
    vitals = Vitals("shop", clock=lambda: 1000.0)
    service = ScriptedService()
    service.let(Outcome())
    poll_once(service, vitals, FaultLog("shop"), clock=lambda: next(times))
    shown = {family.name: family.samples[0].value for family in vitals.families()}
    assert shown["collectington_poll_duration_seconds"] == 2.5
    assert shown["collectington_last_success_timestamp_seconds"] == 1000.0
