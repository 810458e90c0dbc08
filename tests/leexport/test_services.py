"""What the built-in services make of answers: the golden payloads, and what does not fit."""

import json
from typing import Any

import pytest

from importer.errors import Rejected
from importer.leexport.dummy import DummyService
from importer.leexport.geckoboard import GeckoboardService
from importer.leexport.hosted_graphite import HostedGraphiteService
from importer.leexport.kafka import KafkaService
from importer.leexport.service import Service
from importer.simulators.base import Answer, HttpSimulator
from tests.leexport.answers import API_KEY, GOLDEN, answer, statistics_answer

EXPECTED: dict[str, Any] = json.loads((GOLDEN / "expected_geckoboard.json").read_text())


def geckoboard(response: dict[str, Any], widget_type: str, **keys: object) -> GeckoboardService:
    return GeckoboardService(response, API_KEY, {"widget_type": widget_type, **keys})


def graphite(response: dict[str, Any], **keys: object) -> HostedGraphiteService:
    return HostedGraphiteService(response, "key", {"metric_name": "shop.web.errors", **keys})


@pytest.mark.parametrize("case", EXPECTED)
def test_a_widget_is_what_the_old_service_pushed(case: str) -> None:
    widget_type, _, rest = case.partition(" from response_")
    response, _, key = rest.partition(", ")
    name, _, value = key.partition("=")
    service = geckoboard(answer(response), widget_type, **({name: value} if name else {}))
    assert service._transform() == EXPECTED[case]
    assert getattr(service, f"format_{widget_type}_data")() == {"data": EXPECTED[case]["data"]}


def test_a_title_that_is_not_given_is_null() -> None:
    line = geckoboard(answer("timeseries"), "line_chart").format_line_chart_data()
    number = geckoboard(answer("timeseries"), "number_stat").format_number_stat_data()
    assert line is not None
    assert number is not None
    assert line["data"]["series"][0]["name"] is None
    assert number["data"]["item"][0]["text"] is None


def test_a_title_with_a_comma_is_one_text_again() -> None:
    number = geckoboard(answer("timeseries"), "number_stat", text=["posts", "last 24 h"]).format_number_stat_data()
    assert number == {"data": {"item": [{"value": 132.5, "text": "posts, last 24 h"}]}}


def test_charts_of_an_empty_series_have_no_labels_and_no_values() -> None:
    empty = answer("timeseries_empty")
    assert geckoboard(empty, "line_chart").format_line_chart_data() == {
        "data": {"x_axis": {"type": "datetime"}, "series": [{"name": None, "data": []}]}
    }
    bars = geckoboard(empty, "bar_chart").format_bar_chart_data()
    assert bars is not None
    assert (bars["data"]["x_axis"]["labels"], bars["data"]["series"]) == ([], [{"data": []}])


@pytest.mark.parametrize(
    ("response", "widget_type"),
    [
        ("groups", "line_chart"),
        ("groups", "number_stat"),
        ("timeseries", "pie_chart"),
        ("events_next", "line_chart"),
        ("events_next", "bar_chart"),
        ("events_next", "dataset"),
    ],
)
def test_an_answer_that_does_not_fit_gives_nothing_and_a_warning(
    response: str, widget_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    service = geckoboard(answer(response), widget_type, dataset="a.b")
    assert service._transform() is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert service._push(None) is False


def test_of_series_and_groups_the_pie_takes_the_groups_and_others_the_series() -> None:
    both = answer("timeseries")
    both["statistics"]["groups"] = answer("groups")["statistics"]["groups"]
    pie = geckoboard(both, "pie_chart").format_pie_chart_data()
    bars = geckoboard(both, "bar_chart").format_bar_chart_data()
    assert pie is not None
    assert bars is not None
    assert [item["label"] for item in pie["data"]["item"]] == ["200", "301", "404", "München"]
    assert bars["data"]["x_axis"]["type"] == "datetime"


def test_a_dataset_of_a_series_is_unique_by_time() -> None:
    payload = geckoboard(answer("timeseries"), "dataset", dataset="web.requests", name="Requests")._transform()
    content = json.loads(payload.data)
    assert content["dataset"] == "web.requests"
    assert content["fields"] == {
        "timestamp": {"type": "datetime", "name": "Time"},
        "value": {"type": "number", "name": "Requests"},
    }
    assert content["unique_by"] == ["timestamp"]
    assert content["rows"][0] == {"timestamp": "2019-02-05T16:20:00Z", "value": 31.0}
    assert len(content["rows"]) == 5


def test_a_dataset_of_groups_is_unique_by_label_and_leaves_out_what_has_no_value() -> None:
    response = statistics_answer(type="count", groups=[{"a" * 100: {"count": 1}}, {"b": {"count": None}}])
    content = json.loads(geckoboard(response, "dataset", dataset="a.b")._transform().data)
    assert content["fields"] == {
        "label": {"type": "string", "name": "Label"},
        "value": {"type": "number", "name": "Value"},
    }
    assert content["unique_by"] == ["label"]
    assert content["rows"] == [{"label": "a" * 100, "value": 1}]


def test_labels_that_are_too_long_for_a_dataset_are_kept_apart() -> None:
    labels = ["a" * 100 + "b", "a" * 100 + "c", "\ud83d" * 101]
    response = statistics_answer(type="count", groups=[{label: {"count": 1}} for label in labels])
    service = geckoboard(response, "dataset", dataset="a.b")
    found = [row["label"] for row in json.loads(service._transform().data)["rows"]]
    assert len(set(found)) == 3
    assert all(len(label) == 100 for label in found)
    assert found[0].startswith("a" * 91 + "…")
    assert service._transform() == service._transform()


def test_graphite_lines_are_what_the_old_service_put() -> None:
    expected = (GOLDEN / "expected_hosted_graphite.txt").read_text()
    assert graphite(answer("timeseries"))._transform() == expected


def test_graphite_values_keep_all_their_digits_and_times_are_cut() -> None:
    response = statistics_answer(
        type="count",
        **{"from": 1700000040999},
        granularity=90000,
        timeseries={"s": [{"count": 1234567890123.0}, {"count": 3}, {"count": None}, {"count": 1e-7}, {"count": 1e16}]},
    )
    assert graphite(response)._transform() == (
        "shop.web.errors 1234567890123.0 1700000040\nshop.web.errors 3 1700000130\nshop.web.errors 1e-07 1700000310\n"
        "shop.web.errors 10000000000000000.0 1700000400\n"
    )


def test_graphite_times_do_not_depend_on_the_local_zone(set_time_zone: Any) -> None:
    set_time_zone("America/New_York")
    assert "1549383600" in (graphite(answer("timeseries"))._transform() or "")


def test_an_empty_series_gives_no_lines_and_no_push() -> None:
    service = graphite(answer("timeseries_empty"), push_url="http://127.0.0.1:1/")
    assert service._transform() == ""
    assert service._push("") is False


def test_groups_become_graphite_lines_only_where_a_pattern_is_given(caplog: pytest.LogCaptureFixture) -> None:
    assert graphite(answer("groups"))._transform() is None
    assert "needs a time series" in caplog.text
    lines = graphite(answer("groups"), group_metric="web.status.{label}")._transform()
    assert lines is not None
    assert lines.splitlines()[0] == "web.status.200 802.0 1549384200"
    assert lines.splitlines()[3] == "web.status.München 2.0 1549384200"


@pytest.mark.parametrize("response", ["timeseries", "groups"])
def test_kafka_gets_the_numbers_in_the_answers_order(response: str) -> None:
    expected = json.loads((GOLDEN / "expected_kafka.json").read_text())[f"response_{response}"]
    numbers = KafkaService(answer(response), None, {})._transform()
    assert numbers == [float(text) for text in expected]


def test_kafka_gets_nothing_of_events() -> None:
    assert KafkaService(answer("events_next"), None, {})._transform() is None


def test_dummy_leaves_no_connection_when_its_push_fails() -> None:
    with HttpSimulator() as store:
        store.route("PUT", "/in", lambda _request: Answer(400, body=b"no"))
        service = DummyService(answer("timeseries"), None, {"push_url": f"{store.url}/in"})
        with pytest.raises(Rejected, match="HTTP 400: no") as caught:
            service.process()
        store.wait_for_connections(0)
        assert caught.value.sink == "dummy"


def test_a_service_of_ones_own_has_to_say_what_it_does() -> None:
    service = Service({"a": 1}, "key", {"push_url": "x"})
    assert (service.response, service.api_key, service.destination_config) == ({"a": 1}, "key", {"push_url": "x"})
    for method in (service.process, service._transform):
        with pytest.raises(NotImplementedError):
            method()
    assert (service._push({}), service._push(None)) == (True, False)
