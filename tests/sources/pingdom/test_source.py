"""Checks and hours of Pingdom become points, each once, and what was missed is asked for again."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest

from importer.credentials import Secret
from importer.errors import SourceRefused, SourceUnavailable
from importer.parallel import make_pool
from importer.simulators.base import Answer
from importer.simulators.pingdom import TOKEN, PingdomSimulator, SimulatedCheck, hour_of, result_of
from importer.sources.pingdom.api import PingdomApi
from importer.sources.pingdom.checks import LONGEST_GAP_SECONDS, CheckSource
from importer.sources.pingdom.config import Access
from importer.sources.pingdom.source import Account, HourSource, Window
from tests.apteligent import Clock, collect
from tests.collector.vendor_world import AT_ONCE, golden

HOUR = 3600
NOW = int(datetime(2026, 7, 1, 10, 20, tzinfo=UTC).timestamp())
THIS_HOUR = NOW - 20 * 60
SUMMARY = "*/summary.performance/*"


@pytest.fixture
def simulator() -> Iterator[PingdomSimulator]:
    with PingdomSimulator(checks=[SimulatedCheck(101, "govuk", tested_at=NOW - 30)]) as simulator:
        yield simulator


@contextmanager
def opened(simulator: PingdomSimulator, *, now: float = NOW, token: str = TOKEN) -> Iterator[Account]:
    stop = threading.Event()
    api = PingdomApi(Access(simulator.url_3_1, token=Secret(token)), retries=AT_ONCE, stop=stop)
    with make_pool(1, "test", stop=stop) as pool, closing(api):
        yield Account(api, "pingdom", pool, 1, stop, clock=Clock(now))


@pytest.fixture
def account(simulator: PingdomSimulator) -> Iterator[Account]:
    with opened(simulator) as account:
        yield account


def asked(simulator: PingdomSimulator) -> list[tuple[int, int]]:
    """Return the windows that were asked for, first and last second."""
    return [(int(query["from"]), int(query["to"])) for query in (r.query for r in simulator.requests_to(SUMMARY))]


# Tests


def test_a_check_has_its_response_time_and_its_status_at_the_time_of_its_test(account: Account) -> None:
    found = collect(CheckSource(account))
    assert found.lines == [f"pingdom.govuk.response_time 721 {NOW - 30}.000", f"pingdom.govuk.up 1 {NOW - 30}.000"]
    (batch,) = found.batches
    assert (batch.cursor, batch.position) == ("tests/101", NOW - 30)


@pytest.mark.parametrize(
    ("status", "metrics"),
    [
        ("up", {"response_time": "721", "up": "1"}),
        ("down", {"response_time": "721", "up": "0"}),
        ("unconfirmed_down", {"response_time": "721", "up": "0"}),
        ("unknown", {"response_time": "721"}),
        ("paused", {}),
    ],
)
def test_up_is_one_and_down_is_zero(
    simulator: PingdomSimulator, account: Account, status: str, metrics: dict[str, str]
) -> None:
    simulator.checks = [SimulatedCheck(101, "govuk", status=status, tested_at=NOW)]
    lines = [line.split() for line in collect(CheckSource(account)).lines]
    assert {name.rpartition(".")[2]: value for name, value, _ in lines} == metrics


def test_a_test_is_imported_once(account: Account) -> None:
    assert collect(CheckSource(account), {"tests/101": NOW - 30}).batches == []


def test_the_next_test_needs_no_further_request(simulator: PingdomSimulator, account: Account) -> None:
    assert len(collect(CheckSource(account), {"tests/101": NOW - 30 - 119}).batches) == 1
    assert [request.path for request in simulator.requests] == ["/api/3.1/checks"]


def test_tests_that_were_missed_are_asked_for(account: Account) -> None:
    found = collect(CheckSource(account), {"tests/101": NOW - 30 - 240})
    times = [NOW - 30 - 60 * minutes for minutes in (3, 2, 1)]
    responses = [line for line in found.lines if "response_time" in line]
    assert responses == [
        *(f"pingdom.govuk.response_time {result_of(101, moment)['responsetime']} {moment}.000" for moment in times),
        f"pingdom.govuk.response_time 721 {NOW - 30}.000",
    ]
    (batch,) = found.batches
    assert (batch.cursor, batch.position) == ("tests/101", NOW - 30)


def test_a_gap_of_more_than_a_page_is_asked_for_page_by_page(simulator: PingdomSimulator, account: Account) -> None:
    found = collect(CheckSource(account), {"tests/101": NOW - 30 - 1200 * 60})
    assert [request.query["offset"] for request in simulator.requests_to("*/results/*")] == ["0", "1000"]
    times = [float(line.split()[2]) for line in found.lines if "response_time" in line]
    assert times == [NOW - 30 - 60 * minutes for minutes in range(1199, -1, -1)]


def test_a_gap_of_more_than_a_day_is_filled_for_a_day(simulator: PingdomSimulator, account: Account) -> None:
    collect(CheckSource(account), {"tests/101": NOW - 10 * LONGEST_GAP_SECONDS})
    query = simulator.requests_to("*/results/*")[0].query
    assert (int(query["from"]), int(query["to"])) == (NOW - 30 - LONGEST_GAP_SECONDS, NOW - 30)


def test_a_gap_that_cannot_be_filled_is_told_and_asked_for_again(simulator: PingdomSimulator, account: Account) -> None:
    simulator.checks.append(SimulatedCheck(102, "other", tested_at=NOW))
    simulator.fail(Answer.json({}, status=400), when="*/results/101")
    found = collect(CheckSource(account), {"tests/101": NOW - 3600})
    assert [batch.cursor for batch in found.batches] == ["tests/102"]
    (missing,) = found.missing
    assert missing.startswith("tests of govuk (101): pingdom: ")


def test_a_check_that_was_never_tested_has_no_points(simulator: PingdomSimulator, account: Account) -> None:
    simulator.fail(Answer.json({"checks": [{"id": 1, "name": "new", "status": "unknown"}, {"id": "x"}, 7]}))
    assert collect(CheckSource(account)).batches == []


def test_checks_of_the_same_name_are_told(
    simulator: PingdomSimulator, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.checks.append(SimulatedCheck(102, "govuk"))
    collect(CheckSource(account))
    assert "checks of the same name share their points: name='govuk' count=2" in caplog.text


# Hours


def test_an_hour_has_uptime_downtime_and_mean_response_time(simulator: PingdomSimulator, account: Account) -> None:
    simulator.answers[101] = {"summary": {"hours": [hour_of(101, THIS_HOUR - HOUR)]}}
    figures = hour_of(101, THIS_HOUR - HOUR)
    assert collect(HourSource(account)).lines == [
        f"pingdom.govuk.uptime {figures['uptime']} {THIS_HOUR - HOUR}.000",
        f"pingdom.govuk.downtime {figures['downtime']} {THIS_HOUR - HOUR}.000",
        f"pingdom.govuk.hourly.response_time {figures['avgresponse']} {THIS_HOUR - HOUR}.000",
    ]


def test_the_recorded_hours_become_points(simulator: PingdomSimulator, account: Account) -> None:
    simulator.answers[101] = golden("pingdom-summary-performance")
    window = Window(1371333600, 1371340800)
    found = collect(HourSource(account, window=window))
    assert found.lines[:3] == [
        "pingdom.govuk.uptime 3065 1371333600.000",
        "pingdom.govuk.downtime 523 1371333600.000",
        "pingdom.govuk.hourly.response_time 721 1371333600.000",
    ]
    assert [batch.position for batch in found.batches] == [1371333600, 1371337200]


def test_a_new_check_is_imported_for_a_day(simulator: PingdomSimulator, account: Account) -> None:
    found = collect(HourSource(account))
    assert asked(simulator) == [(THIS_HOUR - 24 * HOUR, THIS_HOUR)]
    assert [batch.position for batch in found.batches] == list(range(THIS_HOUR - 24 * HOUR, THIS_HOUR, HOUR))
    assert {batch.cursor for batch in found.batches} == {"hours/101"}


def test_hours_that_were_missed_are_asked_for(simulator: PingdomSimulator, account: Account) -> None:
    collect(HourSource(account), {"hours/101": THIS_HOUR - 100 * HOUR})
    assert asked(simulator) == [(THIS_HOUR - 99 * HOUR, THIS_HOUR)]


def test_nothing_is_asked_twice_within_an_hour(simulator: PingdomSimulator, account: Account) -> None:
    assert collect(HourSource(account), {"hours/101": THIS_HOUR - HOUR}).batches == []
    assert asked(simulator) == []


def test_an_hour_is_asked_for_ten_minutes_after_its_end(simulator: PingdomSimulator) -> None:
    with opened(simulator, now=THIS_HOUR + 599) as account:
        assert collect(HourSource(account), {"hours/101": THIS_HOUR - 2 * HOUR}).batches == []
    with opened(simulator, now=THIS_HOUR + 600) as account:
        assert len(collect(HourSource(account), {"hours/101": THIS_HOUR - 2 * HOUR}).batches) == 1


def test_an_hour_that_is_not_there_yet_is_asked_for_again(simulator: PingdomSimulator, account: Account) -> None:
    simulator.answers[101] = {"summary": {"hours": [hour_of(101, THIS_HOUR - 3 * HOUR)]}}
    (batch,) = collect(HourSource(account), {"hours/101": THIS_HOUR - 4 * HOUR}).batches
    assert batch.position == THIS_HOUR - 3 * HOUR


def test_a_paused_check_is_not_asked_for_its_hours(simulator: PingdomSimulator, account: Account) -> None:
    simulator.checks = [SimulatedCheck(101, "govuk", status="paused")]
    collect(HourSource(account))
    assert asked(simulator) == []


def test_a_cursor_from_the_future_hides_nothing(simulator: PingdomSimulator, account: Account) -> None:
    found = collect(HourSource(account), {"hours/101": THIS_HOUR + 1000 * HOUR})
    assert len(found.batches) == 24
    assert all(batch.again for batch in found.batches)


# Back-fill


def test_a_back_fill_brings_its_hours_again(simulator: PingdomSimulator, account: Account) -> None:
    window = Window(THIS_HOUR - 48 * HOUR, THIS_HOUR - 24 * HOUR)
    found = collect(HourSource(account, window=window), {"hours/101": THIS_HOUR - HOUR})
    assert asked(simulator) == [(window.start, window.end)]
    assert len(found.batches) == 24
    assert all(batch.again for batch in found.batches)


def test_a_back_fill_up_to_the_cursor_moves_it_and_another_does_not(account: Account) -> None:
    window = Window(THIS_HOUR - 10 * HOUR, THIS_HOUR - 5 * HOUR)
    joining = collect(HourSource(account, window=window), {"hours/101": THIS_HOUR - 11 * HOUR})
    apart = collect(HourSource(account, window=window), {"hours/101": THIS_HOUR - 12 * HOUR})
    new = collect(HourSource(account, window=window))
    cursors = [{batch.cursor for batch in found.batches} for found in (joining, apart, new)]
    assert cursors == [{"hours/101"}, {""}, {""}]


def test_a_back_fill_ends_with_the_last_hour_that_is_over(simulator: PingdomSimulator, account: Account) -> None:
    collect(HourSource(account, window=Window(THIS_HOUR - HOUR, THIS_HOUR + 20 * HOUR)))
    assert asked(simulator) == [(THIS_HOUR - HOUR, THIS_HOUR)]


def test_days_to_come_are_told(simulator: PingdomSimulator, account: Account) -> None:
    found = collect(HourSource(account, window=Window(THIS_HOUR + HOUR, THIS_HOUR + 2 * HOUR)))
    assert found.missing == ["hours: pingdom: 2026-07-01T11:00Z to 2026-07-01T12:00Z is not over"]
    assert asked(simulator) == []


# Faults


def test_a_check_that_fails_costs_no_other(simulator: PingdomSimulator, account: Account) -> None:
    simulator.checks.append(SimulatedCheck(102, "other"))
    simulator.fail(Answer.json({}, status=400), when="*/101")
    found = collect(HourSource(account))
    assert len(found.batches) == 24
    (missing,) = found.missing
    assert missing.startswith("hours of govuk (101), 2026-06-30T10:00Z to 2026-07-01T10:00Z: pingdom: ")


def test_a_refused_token_ends_the_run(simulator: PingdomSimulator) -> None:
    with opened(simulator, token="wrong-token") as account:
        for source in (CheckSource(account), HourSource(account)):
            with pytest.raises(SourceRefused, match="HTTP 401: Invalid token"):
                collect(source)


def test_a_token_that_is_refused_half_way_ends_the_run_after_what_was_obtained(
    simulator: PingdomSimulator, account: Account
) -> None:
    simulator.checks.append(SimulatedCheck(102, "other"))
    simulator.fail(Answer.json({}, status=401), when="*/102")
    batches = []
    with pytest.raises(SourceRefused):
        batches.extend(HourSource(account).collect({}))
    assert len(batches) == 24


def test_a_vendor_that_is_down_is_unavailable(simulator: PingdomSimulator, account: Account) -> None:
    simulator.fail(Answer.json({}, status=503), times=None)
    with pytest.raises(SourceUnavailable, match=r"Max retries exceeded for .*/checks: HTTP 503"):
        collect(CheckSource(account))
