"""livestats: thirty buckets at first, then only newer ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.simulators.apteligent import ApteligentSimulator
from importer.simulators.base import Answer
from importer.sources.apteligent.asking import Account
from importer.sources.apteligent.live import LiveSource
from tests.apteligent import BIKE, DUTCH, Clock, asked_for, collect, expected_lines, golden, opened_account

CURSOR = f"live/{BIKE.app_id}"


@pytest.fixture
def vendor() -> Iterator[ApteligentSimulator]:
    with ApteligentSimulator([BIKE], clock=Clock()) as simulator:
        yield simulator


@pytest.fixture
def account(vendor: ApteligentSimulator, tmp_path: Path) -> Iterator[Account]:
    with opened_account(vendor, tmp_path, clock=Clock()) as opened:
        yield opened


@pytest.mark.parametrize("name", ["initialize", "last", "empty"])
def test_recorded_answers_become_the_recorded_points(name: str, vendor: ApteligentSimulator, account: Account) -> None:
    vendor.answers["liveStats/periodic", None, None] = golden(f"liveStats-periodic-{name}")
    found = collect(LiveSource(account))
    assert (found.lines, found.missing) == (expected_lines(f"liveStats-periodic-{name}"), [])


def test_an_unsuccessful_answer_is_asked_for_once_more_and_then_not_obtained(
    vendor: ApteligentSimulator, account: Account
) -> None:
    vendor.answers["liveStats/periodic", None, None] = golden("liveStats-periodic-unsuccessful")
    found = collect(LiveSource(account))
    assert found.lines == []
    assert len(found.missing) == 1
    assert "success is 0, expected 1" in found.missing[0]
    assert len(vendor.requests_to("/v1.0/liveStats/*")) == 2


def test_only_buckets_beyond_the_cursor_are_sent(vendor: ApteligentSimulator, account: Account) -> None:
    vendor.answers["liveStats/periodic", None, None] = golden("liveStats-periodic-initialize")
    found = collect(LiveSource(account), {CURSOR: 1462231770})
    assert [batch.position for batch in found.batches] == [1462231780, 1462231790]
    assert found.lines == expected_lines("liveStats-periodic-initialize")[-6:]


def test_a_cursor_far_in_the_future_hides_nothing(account: Account) -> None:
    found = collect(LiveSource(account), {CURSOR: 4_000_000_000})
    assert len(found.batches) == 30
    assert all(batch.again for batch in found.batches)


def test_an_app_that_fails_once_is_answered_after_the_others(tmp_path: Path) -> None:
    with (
        ApteligentSimulator([BIKE, DUTCH], clock=Clock()) as vendor,
        opened_account(vendor, tmp_path, clock=Clock()) as account,
    ):
        vendor.fail(Answer(500), when=asked_for(BIKE.app_id), times=2)
        found = collect(LiveSource(account))
    assert found.missing == []
    assert [name.split(".")[1] for name in found.names] == ["Tweedehands_NL"] * 90 + ["Bike_Shop"] * 90


def test_an_app_id_is_quoted_in_the_address(tmp_path: Path) -> None:
    with (
        ApteligentSimulator([BIKE], clock=Clock()) as vendor,
        opened_account(vendor, tmp_path, clock=Clock()) as account,
    ):
        vendor.answers["apps", None, None] = {"../token?x=1#": {"appName": "Odd"}}
        collect(LiveSource(account))
        assert vendor.requests[-1].target.startswith("/v1.0/liveStats/periodic/..%2Ftoken%3Fx%3D1%23?")
