"""groupedby: versions as they are, carriers by group, percentages worked out anew."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from importer.group_map import load_group_map
from importer.simulators.apteligent import ApteligentSimulator
from importer.simulators.base import Answer
from importer.sources.apteligent.asking import Account
from importer.sources.apteligent.grouped import CarrierSource, VersionSource
from tests.apteligent import BIKE, DUTCH, GOLDEN, Clock, Collected, collect, expected_lines, golden, opened_account

COUNTRIES = {DUTCH.app_id: "NL"}
PREFIX = "apteligent.Tweedehands_NL.groupedby.carrier."


@pytest.fixture
def vendor() -> Iterator[ApteligentSimulator]:
    with ApteligentSimulator([BIKE, DUTCH], clock=Clock()) as simulator:
        yield simulator


@pytest.fixture
def account(vendor: ApteligentSimulator, tmp_path: Path) -> Iterator[Account]:
    with opened_account(vendor, tmp_path, clock=Clock()) as opened:
        yield opened


def answer_carriers(vendor: ApteligentSimulator, **pies: Mapping[str, object]) -> None:
    for metric in ("crashes", "crashPercent", "appLoads"):
        slices = [{"label": label, "value": value} for label, value in pies.get(metric, {}).items()]
        vendor.answers["errorMonitoring/pie", None, f"{metric}/carrier"] = {"data": {"slices": slices}}


def carriers(account: Account) -> Collected:
    return collect(CarrierSource(account, COUNTRIES, load_group_map(GOLDEN / "carrier.map")))


def values(found: Collected) -> dict[str, float]:
    return {line.split()[0].removeprefix(PREFIX): float(line.split()[1]) for line in found.lines}


def test_recorded_versions_become_the_recorded_points(vendor: ApteligentSimulator, account: Account) -> None:
    vendor.answers["errorMonitoring/pie", None, None] = {"data": {"slices": []}}
    name = "errorMonitoring-pie-appLoads-appVersion"
    vendor.answers["errorMonitoring/pie", BIKE.app_id, "appLoads/appVersion"] = golden(name)
    found = collect(VersionSource(account))
    assert (found.lines, found.missing) == (expected_lines(name), [])


def test_recorded_carriers_become_the_recorded_points(vendor: ApteligentSimulator, account: Account) -> None:
    for metric in ("crashes", "crashPercent", "appLoads"):
        answer = golden(f"errorMonitoring-pie-{metric}-carrier")
        vendor.answers["errorMonitoring/pie", None, f"{metric}/carrier"] = answer
    found = carriers(account)
    assert (found.lines, found.missing) == (expected_lines("errorMonitoring-pie-carrier"), [])


def test_an_app_without_a_known_country_is_not_asked_about(vendor: ApteligentSimulator, account: Account) -> None:
    carriers(account)
    assert all(BIKE.app_id.encode() not in request.body for request in vendor.requests_to("*/pie"))


def test_a_carrier_that_only_one_metric_names_counts_for_its_group(
    vendor: ApteligentSimulator, account: Account
) -> None:
    answer_carriers(
        vendor,
        crashes={"KPN": 6},
        crashPercent={"KPN": 0.5, "KPN Prepaid": None},
        appLoads={"KPN": 1200, "KPN Prepaid": 300},
    )
    assert values(carriers(account)) == {"KPN.crashes": 6, "KPN.appLoads": 1500, "KPN.crashPercent": 0.4}


def test_a_group_of_one_carrier_has_the_vendors_percentage(vendor: ApteligentSimulator, account: Account) -> None:
    answer_carriers(vendor, crashes={"KPN": 6}, crashPercent={"KPN": 0.51}, appLoads={"KPN": 1200})
    assert values(carriers(account))["KPN.crashPercent"] == 0.51


@pytest.mark.parametrize("failing", ["crashes", "appLoads"])
def test_without_one_of_the_sums_the_percentage_of_several_carriers_is_left_out(
    failing: str, vendor: ApteligentSimulator, account: Account
) -> None:
    two = {"KPN": 1, "KPN NL": 2}
    answer_carriers(vendor, crashes=two, crashPercent=two | {"Ziggo": 3}, appLoads=two)
    vendor.fail(Answer(500), when=lambda request: f'"{failing}"'.encode() in request.body, times=None)
    found = carriers(account)
    assert "KPN.crashPercent" not in values(found)
    assert values(found)["Vodafone.crashPercent"] == 3
    assert len(found.missing) == 1


def test_no_loads_at_all_leave_the_percentage_out_and_no_crashes_make_it_zero(
    vendor: ApteligentSimulator, account: Account
) -> None:
    two = {"KPN": 0, "KPN NL": 0}
    answer_carriers(vendor, crashes=two, crashPercent=two, appLoads=two)
    assert "KPN.crashPercent" not in values(carriers(account))
    answer_carriers(vendor, crashes=two, crashPercent=two, appLoads={"KPN": 5, "KPN NL": 5})
    assert values(carriers(account))["KPN.crashPercent"] == 0


def test_the_edge_cases_of_the_old_parser_are_read() -> None:
    groups = load_group_map(GOLDEN / "carrier-edge-cases.map")
    assert groups["NL"].find("KPN NL") == "KPN"
    assert (groups["UK"].find("3 UK"), groups["UK"].find("ee"), groups["UK"].find("O2")) == ("Three", "EE", None)
