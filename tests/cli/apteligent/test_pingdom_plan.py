"""pingdom asks for tests each minute, and for hours some minutes after their end."""

import threading
from datetime import date

from importer.cli.apteligent.pingdom import PingdomPlan, window_of
from importer.credentials import Secret
from importer.parallel import SerialExecutor
from importer.points import MAX_TIMESTAMP
from importer.sources.apteligent.daily import LATEST, Days
from importer.sources.pingdom.api import PingdomApi
from importer.sources.pingdom.config import URL_3_1, Access
from importer.sources.pingdom.source import Account, Window

HOUR = 3600.0


def plan(window: Window | None = None) -> PingdomPlan:
    api = PingdomApi(Access(URL_3_1, token=Secret("t0ken")))
    return PingdomPlan(Account(api, "pingdom", SerialExecutor(), 1, threading.Event()), window=window)


def due(since: float, until: float) -> list[str]:
    asked = plan()
    return [source.name for source in asked.due(asked.schedule.due(since, until))]


def test_tests_are_due_each_minute_and_hours_twice_an_hour() -> None:
    assert due(HOUR, HOUR + 60) == ["tests"]
    assert due(HOUR + 10 * 60, HOUR + 11 * 60) == due(HOUR + 40 * 60, HOUR + 41 * 60) == ["tests", "hours"]


def test_one_cycle_asks_for_both_and_a_back_fill_for_hours_alone() -> None:
    assert [source.name for source in plan().once()] == ["tests", "hours"]
    assert [source.name for source in plan(Window(0, 3600)).once()] == ["hours"]


def test_days_without_an_end_are_all_that_are_over() -> None:
    assert window_of(Days(date(1970, 1, 2), LATEST)) == Window(86400, MAX_TIMESTAMP)
