"""The made-up figures agree with each other, as a vendor's would."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.simulators.apteligent_apps import App, demo_apps
from importer.simulators.apteligent_figures import carrier_slices, daily_value, live_bucket, running_value
from importer.simulators.apteligent_question import DAILY_METRICS

BIKE = demo_apps()[0]

days = st.dates(date(2000, 1, 1), date(2105, 12, 31))
moments = st.floats(0, 2**32 - 1, allow_nan=False)
apps = st.sampled_from(demo_apps(6))


@given(app=apps, day=days)
def test_a_days_figures_agree_with_each_other(app: App, day: date) -> None:
    figures = {metric: daily_value(app, metric, day) for metric in DAILY_METRICS}
    numbers = {metric: value for metric, value in figures.items() if value is not None}
    assert (figures["rating"] is None) == (app.store_link is None)
    assert 1 <= numbers.get("rating", 5) <= 5
    assert 0 < numbers["affectedUsers"] <= numbers["crashes"] < numbers["dau"] < numbers["appLoads"] < numbers["mau"]
    assert numbers["crashPercent"] == 100 * numbers["crashes"] / numbers["appLoads"]
    assert numbers["affectedUserPercent"] == 100 * numbers["affectedUsers"] / numbers["dau"]


@given(app=apps, moment=st.integers(0, 2**32 - 1), metric=st.sampled_from(["appLoads", "crashes", "dau"]))
def test_running_totals_grow_to_the_whole_day_within_it(app: App, moment: int, metric: str) -> None:
    day_start = moment - (moment + app.offset_hours * 3600) % 86_400
    totals = [running_value(app, metric, day_start + part * 86_399 / 20) or 0 for part in range(21)]
    assert totals == sorted(totals)
    local = datetime.fromtimestamp(moment, UTC) + timedelta(hours=app.offset_hours)
    assert totals[-1] == pytest.approx(daily_value(app, metric, local.date()), rel=0.01, abs=1)


@given(app=apps, moment=moments)
def test_carrier_slices_add_up_and_their_percentages_fit(app: App, moment: float) -> None:
    loads, crashes, percentages = (
        {piece.label: piece.value for piece in carrier_slices(app, metric, moment)}
        for metric in ("appLoads", "crashes", "crashPercent")
    )
    assert tuple(loads) == tuple(crashes) == tuple(percentages) == app.carriers
    assert sum(loads.values()) == pytest.approx(running_value(app, "appLoads", moment), abs=len(loads))
    for carrier, percentage in percentages.items():
        assert percentage * loads[carrier] == pytest.approx(100 * crashes[carrier])


@given(app=apps, moment=moments)
def test_live_buckets_are_whole_and_no_more_crashes_than_loads(app: App, moment: float) -> None:
    bucket = live_bucket(app, moment)
    assert bucket.time % 10 == 0
    assert bucket.time <= moment < bucket.time + 10
    assert 0 <= bucket.app_errors <= bucket.app_loads + 1
    assert bucket == live_bucket(app, bucket.time)


def test_live_buckets_of_a_day_add_up_to_the_daily_figure() -> None:
    midnight = int(datetime(2016, 5, 3, 8, tzinfo=UTC).timestamp())  # at -8
    buckets = [live_bucket(BIKE, start) for start in range(midnight, midnight + 86_400, 10)]
    assert sum(bucket.app_loads for bucket in buckets) == pytest.approx(
        daily_value(BIKE, "appLoads", date(2016, 5, 3)), rel=0.01
    )
    assert sum(bucket.app_errors for bucket in buckets) == pytest.approx(
        daily_value(BIKE, "crashes", date(2016, 5, 3)), rel=0.15
    )


def test_afternoons_are_busier_than_nights() -> None:
    midnight = int(datetime(2016, 5, 3, 8, tzinfo=UTC).timestamp())
    night, afternoon = (
        sum(live_bucket(BIKE, midnight + hour * 3600 + second).app_loads for second in range(0, 3600, 10))
        for hour in (4, 16)
    )
    assert afternoon > 3 * night


def test_apps_grow_over_the_years() -> None:
    users = [daily_value(BIKE, "mau", date(year, 6, 1)) or 0 for year in range(2016, 2040, 3)]
    assert all(earlier < later for earlier, later in pairwise(users))
