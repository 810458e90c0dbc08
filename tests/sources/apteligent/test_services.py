"""servicestats: hosts of the whitelist, stamped with the end of the window in UTC."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from importer.simulators.apteligent import ApteligentSimulator
from importer.simulators.base import Answer, reset
from importer.sources.apteligent.asking import Account
from importer.sources.apteligent.services import METRICS, ServiceRetry, ServiceSource
from importer.stores import Whitelist
from tests.apteligent import BIKE, GOLDEN, Clock, collect, expected_lines, golden, opened_account


@pytest.fixture
def vendor() -> Iterator[ApteligentSimulator]:
    with ApteligentSimulator([BIKE], clock=Clock()) as simulator:
        yield simulator


@pytest.fixture
def account(vendor: ApteligentSimulator, tmp_path: Path) -> Iterator[Account]:
    with opened_account(vendor, tmp_path, clock=Clock()) as opened:
        yield opened


@pytest.fixture
def source(account: Account) -> ServiceSource:
    return ServiceSource(account, Whitelist(GOLDEN / "services.whitelist"))


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_recorded_answers_become_the_recorded_points_in_any_zone_of_the_machine(
    zone: str, vendor: ApteligentSimulator, source: ServiceSource, set_time_zone: Callable[[str], None]
) -> None:
    set_time_zone(zone)
    name = "performanceManagement-pie-latency-service"
    vendor.answers["performanceManagement/pie", None, None] = {"data": {"slices": []}}
    vendor.answers["performanceManagement/pie", None, "latency"] = golden(name)
    found = collect(source)
    assert (found.lines, found.missing) == (expected_lines(name), [])


def test_what_failed_is_asked_once_more_after_the_pause(
    vendor: ApteligentSimulator, account: Account, source: ServiceSource
) -> None:
    vendor.fail(Answer(500), when=lambda request: b'"volume"' in request.body, times=2)
    assert len(collect(source).lines) == 2 * (len(METRICS) - 1)
    assert [metric for _, metric in source.failed] == ["volume"]
    found = collect(ServiceRetry(source, account, pause_seconds=0.0))
    assert {name.rsplit(".", 1)[1] for name in found.names} == {"volume"}
    assert found.missing == []


def test_nothing_is_asked_again_where_nothing_failed(
    vendor: ApteligentSimulator, account: Account, source: ServiceSource
) -> None:
    collect(source)
    asked = vendor.request_count
    assert collect(ServiceRetry(source, account, pause_seconds=600.0)).batches == []
    assert vendor.request_count == asked


def test_a_stop_cuts_the_pause_short(vendor: ApteligentSimulator, account: Account, source: ServiceSource) -> None:
    vendor.fail(reset, when="*/pie", times=None)
    collect(source)
    threading.Timer(0.05, account.stop.set).start()
    assert collect(ServiceRetry(source, account, pause_seconds=600.0)).batches == []
