"""What is shown about a service: up, age, duration, failures and their kinds."""

from importer import __version__
from importer.exporter.base import Fault, FaultKind, Outcome
from importer.exporter.vitals import Vitals, build_info

FAILED = Outcome([Fault(FaultKind.TIMEOUT, "no answer"), Fault(FaultKind.VALUE, "not a number", "stock")])


def shown(vitals: Vitals) -> dict[str, float]:
    return {series.text.strip(): value for family in vitals.families() for series, value in family.samples}


def test_before_the_first_poll_a_service_is_down_and_nothing_has_an_age() -> None:
    found = shown(Vitals("shop"))
    assert found['collectington_up{service="shop"}'] == 0.0
    assert found['collectington_poll_failures_total{service="shop"}'] == 0.0
    assert found['collectington_errors_total{service="shop",kind="timeout"}'] == 0.0
    assert not [name for name in found if "success" in name or "age" in name or "duration" in name]


def test_after_a_good_poll_it_is_up_and_its_figures_grow_older() -> None:
    now = [1000.0]
    vitals = Vitals("shop", clock=lambda: now[0])
    vitals.count(Outcome(), 0.25)
    now[0] = 1030.0
    found = shown(vitals)
    assert found['collectington_up{service="shop"}'] == 1.0
    assert found['collectington_last_success_timestamp_seconds{service="shop"}'] == 1000.0
    assert found['collectington_data_age_seconds{service="shop"}'] == 30.0
    assert found['collectington_poll_duration_seconds{service="shop"}'] == 0.25


def test_a_clock_that_was_set_back_makes_no_negative_age() -> None:
    now = [1000.0]
    vitals = Vitals("shop", clock=lambda: now[0])
    vitals.count(Outcome(), 0.25)
    now[0] = 900.0
    assert shown(vitals)['collectington_data_age_seconds{service="shop"}'] == 0.0


def test_a_poll_that_fails_is_counted_once_and_its_faults_by_kind() -> None:
    vitals = Vitals("shop", clock=lambda: 1000.0)
    vitals.count(Outcome(), 0.25)
    vitals.count(FAILED, 30.0)
    found = shown(vitals)
    assert found['collectington_up{service="shop"}'] == 0.0
    assert found['collectington_poll_failures_total{service="shop"}'] == 1.0
    assert found['collectington_errors_total{service="shop",kind="timeout"}'] == 1.0
    assert found['collectington_errors_total{service="shop",kind="value"}'] == 1.0
    assert found['collectington_errors_total{service="shop",kind="status"}'] == 0.0
    assert found['collectington_last_success_timestamp_seconds{service="shop"}'] == 1000.0


def test_the_version_is_shown() -> None:
    ((series, value),) = build_info().samples
    assert (series.name, series.labels, value) == ("collectington_build_info", (("version", __version__),), 1.0)
