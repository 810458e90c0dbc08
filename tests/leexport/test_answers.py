"""What single runs push of the answers that the vendor gives, and of the searches that users have written."""

import json
from typing import Any

import pytest

from importer.simulators.base import Answer
from importer.simulators.log_search import API_KEY, LOG
from tests.leexport.answers import answer, statistics_answer
from tests.leexport.faulty import said
from tests.leexport.site import COUNT, GROUPS, Site

TIMES = {"from": 1700000040000, "to": 1700000310000, "granularity": 90000}


def widget(site: Site, name: str, widget_type: str, **options: object) -> None:
    """Add a search that is a widget of this type and name."""
    destination = {"service": "geckoboard", "push_url": site.geckoboard.push_url(name), "widget_type": widget_type}
    site.search(name, destination, **options)  # type: ignore[arg-type]


def pushed(site: Site, name: str) -> Any:
    """Return the one state that was pushed to a widget."""
    (state,) = site.geckoboard.widgets[name]
    return state


def series(*points: object, **statistics: object) -> dict[str, Any]:
    members = {"type": "count", "timeseries": {"global_timeseries": list(points)}, **TIMES, **statistics}
    return statistics_answer(**members)


def raw_series(*points: str) -> Answer:
    """Return an answer whose points are written as they stand here, JSON or not."""
    text = json.dumps(series()).replace('"global_timeseries": []', f'"global_timeseries": [{", ".join(points)}]')
    assert all(point in text for point in points)
    return Answer(200, {"Content-Type": "application/json"}, text.encode())


def test_points_without_a_number_are_left_out_of_graphite(site: Site) -> None:
    points = (
        {"count": None},
        {"count": 1},
        None,
        {},
        {"count": "NaN"},
        {"count": True},
        {"count": [2]},
        {"count": 2.5},
    )
    site.series("web.errors")
    site.api.answers[COUNT] = series(*points)
    assert site.once().code == 0
    assert [(point.timestamp, point.value) for point in site.graphite.points] == [(1700000130, 1), (1700000670, 2.5)]


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_never_reach_a_destination(site: Site, constant: str) -> None:
    site.series("web.errors")
    site.line("chart")
    site.api.answers[COUNT] = raw_series('{"count": 1}', f'{{"count": {constant}}}')
    result = site.once()
    assert all(constant.encode() not in request.body for request in site.graphite.requests + site.geckoboard.requests)
    if result.code:
        assert said(result).keys() == {"web.errors", "chart"}
        assert all("JSON" in reason for reason in said(result).values())
    else:
        assert [point.value for point in site.graphite.points] == [1]


def test_a_value_that_is_null_is_null_in_a_chart(site: Site) -> None:
    site.line("chart")
    site.api.answers[COUNT] = series({"count": 1}, {"count": None})
    assert site.once().code == 0
    assert pushed(site, "chart")["series"][0]["data"] == [["2023-11-14T22:14:00Z", 1], ["2023-11-14T22:15:30Z", None]]


def test_an_empty_series_is_an_empty_chart_and_no_failure(site: Site) -> None:
    site.line("line")
    widget(site, "bar", "bar_chart")
    site.api.answers[COUNT] = answer("timeseries_empty")
    assert site.once().code == 0
    assert pushed(site, "line")["series"][0]["data"] == []
    assert pushed(site, "bar")["x_axis"]["labels"] == []
    assert pushed(site, "bar")["series"] == [{"data": []}]


def test_groups_inside_of_groups_have_the_labels_of_both(site: Site) -> None:
    statement = "groupby(status, host) calculate(count)"
    widget(site, "pie", "pie_chart", statement=statement)
    assert site.once().code == 0
    labels = [item["label"] for item in pushed(site, "pie")["item"]]
    assert len(labels) == 12
    assert labels[:4] == ["200 / web-1", "200 / web-2", "200 / web-3", "301 / web-1"]


def test_a_calculation_other_than_count_is_the_value_everywhere(site: Site) -> None:
    widget(site, "number", "number_stat")
    widget(site, "pie", "pie_chart", statement=GROUPS)
    site.api.answers[COUNT] = series(
        {"average": 11}, stats={"global_timeseries": {"average": 11.5}}, type="average", count=7
    )
    site.api.answers[GROUPS] = statistics_answer(type="average", groups=[{"200": {"average": 11.5}}])
    assert site.once().code == 0
    assert pushed(site, "number")["item"] == [{"value": 11.5, "text": None}]
    assert pushed(site, "pie")["item"] == [{"label": "200", "value": 11.5}]


def test_a_bar_chart_of_groups_has_labels_that_are_no_times(site: Site) -> None:
    widget(site, "bar", "bar_chart", statement=GROUPS)
    site.api.answers[GROUPS] = answer("groups")
    assert site.once().code == 0
    assert pushed(site, "bar")["x_axis"] == {"labels": ["200", "301", "404", "München"], "type": "standard"}


def test_digits_and_letters_arrive_as_the_vendor_sent_them(site: Site) -> None:
    site.series("web.errors")
    widget(site, "pie", "pie_chart", statement=GROUPS)
    site.api.answers[COUNT] = series({"count": 1234567890123.0}, {"count": 3}, {"count": 0.1}, {"count": 2**63})
    site.api.answers[GROUPS] = statistics_answer(type="count", groups=[{"Zürich \U0001f600": {"count": 2**63}}])
    assert site.once().code == 0
    assert site.graphite.requests[0].body.decode().splitlines() == [
        "web.errors 1234567890123.0 1700000040",
        "web.errors 3 1700000130",
        "web.errors 0.1 1700000220",
        "web.errors 9223372036854775808 1700000310",
    ]
    assert pushed(site, "pie")["item"] == [{"label": "Zürich \U0001f600", "value": 2**63}]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_times_are_utc_in_any_time_zone(site: Site, zone: str) -> None:
    site.line("chart")
    site.series("web.errors")
    site.api.answers[COUNT] = series({"count": 1}, {"count": 2})
    assert site.once(env={"TZ": zone}).code == 0
    assert [time for time, _ in pushed(site, "chart")["series"][0]["data"]] == [
        "2023-11-14T22:14:00Z",
        "2023-11-14T22:15:30Z",
    ]
    assert [point.timestamp for point in site.graphite.points] == [1700000040, 1700000130]


def test_the_hour_that_a_clock_change_repeats_is_two_hours(site: Site) -> None:
    first_ms = 1699162200000  # 2023-11-05 01:30 in New York, for the first time
    site.series("web.errors")
    site.api.answers[COUNT] = series({"count": 1}, {"count": 2}, granularity=3_600_000, **{"from": first_ms})
    assert site.once(env={"TZ": "America/New_York"}).code == 0
    assert [point.timestamp for point in site.graphite.points] == [first_ms / 1000, first_ms / 1000 + 3600]


@pytest.mark.parametrize("logs", ["{0}, {1}", "{0}:{1}", "'{0}: {1}:'", "{0}, {1},"])
def test_logs_are_a_list_however_they_are_written(site: Site, logs: str) -> None:
    other = LOG.replace("a", "b")
    site.line("chart")
    site.searches["chart"] = site.searches["chart"].replace(f"logs = {LOG}", f"logs = {logs.format(LOG, other)}")
    assert site.once().code == 0
    assert site.api.requests[0].json()["logs"] == [LOG, other]  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("where(a, b) calculate(count)", "where(a, b) calculate(count)"),
        ("'where(\"a, b\") calculate(count)' # as of today", 'where("a, b") calculate(count)'),
        ('"where(/#1/) calculate(count)"', "where(/#1/) calculate(count)"),
    ],
)
def test_a_statement_is_sent_as_it_is_written(site: Site, written: str, sent: str) -> None:
    site.line("chart", statement=written)
    site.once()
    assert site.asked() == [sent]


@pytest.mark.parametrize("key", ["rw_api_key", "ro_api_key", "x_api_key"])
def test_each_of_the_three_keys_is_sent(site: Site, key: str) -> None:
    site.line("chart")
    site.write(account=f"{key} = {API_KEY}\nurl = {site.api.base_url}")
    assert site.run("start", "-c", site.config, "--once").code == 0
    assert site.api.requests[0].headers["x-api-key"] == API_KEY


def test_searches_with_mistakes_are_told_and_the_others_are_pushed(site: Site) -> None:
    site.line("first")
    site.line("zero", period=0)
    site.line("no-range")
    site.searches["no-range"] = site.searches["no-range"].replace("query_range = 600\n", "")
    site.search("no-name", {"service": "hosted_graphite", "push_url": "tcp://127.0.0.1:1"})
    site.search("nobody", {"service": "nobodys"})
    site.line("good")
    result = site.once()
    assert result.code == 78
    where = f"leexportpy: {site.config}: [Searches] "
    told = [line.removeprefix(where).partition(": ")[0] for line in result.stderr.splitlines()]
    assert sorted(told) == [
        "[[no-name]] metric_name",
        "[[no-range]] query_range",
        "[[nobody]] service",
        "[[zero]] query_period",
    ]
    assert sorted(site.geckoboard.widgets) == ["first", "good"]
    assert len(site.asked()) == 2


def test_a_mistake_outweighs_a_failure(site: Site) -> None:
    site.line("zero", period=0)
    site.line("failing", statement=GROUPS)
    assert site.once().code == 78


@pytest.mark.parametrize(
    "text", [None, "", "[LE]\nrw_api_key = k\n[Searches]\n", "[LE\n", "[LE]\na = 1\na = 2\n", "\xff"]
)
def test_a_file_of_no_use_ends_the_run_at_once(site: Site, text: str | None) -> None:
    if text is not None:
        site.config.write_bytes(text.encode("latin-1"))
    result = site.run("start", "-c", site.config, "--once")
    assert (result.code, result.stdout) == (78, "")
    assert all(line.startswith(f"leexportpy: {site.config}") for line in result.stderr.splitlines())
    assert result.stderr
    assert site.api.requests == ()
