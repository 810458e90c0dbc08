"""`leexportpy start --once`: every search once, and what it says about those that were not pushed."""

from pathlib import Path

from importer.simulators.base import Answer
from tests.leexport.answers import answer
from tests.leexport.site import COUNT, GROUPS, Site


def test_every_search_is_asked_once_and_pushed(site: Site) -> None:
    site.line("requests")
    site.series("web.errors", statement=GROUPS.replace("groupby(status) ", ""))
    result = site.once()
    assert (result.code, result.stderr) == (0, "")
    assert len(site.asked()) == 2
    assert len(site.geckoboard.widgets["requests"]) == 1
    assert len(site.graphite.points) == 10


def test_a_query_is_the_window_that_ends_now_in_the_old_form(site: Site) -> None:
    site.line("requests", statement="where(host=web, path=/a) calculate(count)", window=300)
    assert site.once().code == 0
    (request,) = site.api.requests
    body = request.json()
    assert isinstance(body, dict)
    during = body["leql"].pop("during")
    assert body == {
        "logs": [site.api.requests[0].json()["logs"][0]],
        "leql": {"statement": "where(host=web, path=/a) calculate(count)"},
    }  # type: ignore[index]
    assert during["to"] - during["from"] == 300_000
    assert request.headers["user-agent"].startswith("leexportpy ")


def test_what_is_not_pushed_is_told_by_search_service_and_reason(site: Site) -> None:
    site.line("wrong", statement=GROUPS)
    site.line("refused")
    site.line("good")
    site.geckoboard.fail(Answer.json({"message": "no"}, status=401), times=None, when="/v1/send/refused")
    result = site.once()
    assert result.code == 1
    told = sorted(result.stderr.splitlines())
    assert len(told) == 2
    assert told[0].startswith("leexportpy: [[refused]] geckoboard: not pushed, kept: ")
    assert "HTTP 401" in told[0]
    assert told[1] == "leexportpy: [[wrong]] geckoboard: line_chart needs a time series; the answer has groups"
    assert list(site.geckoboard.widgets) == ["good"]


def test_what_was_kept_is_pushed_by_the_next_run_first(site: Site) -> None:
    site.series("web.errors")
    site.graphite.fail(Answer(403), times=1)
    assert site.once().code == 1
    first = site.asked()
    assert site.once().code == 0
    assert (first, site.asked()) == ([COUNT], [COUNT, COUNT])
    assert len(site.graphite.requests) == 3
    assert site.graphite.requests[0].body == site.graphite.requests[1].body


def test_of_a_widget_only_the_newest_state_is_kept(site: Site) -> None:
    site.line("requests")
    site.geckoboard.fail(Answer(403), times=None)
    for fixture in ("timeseries", "timeseries_average", "timeseries_empty"):
        site.api.answers[COUNT] = answer(fixture)
        assert site.once().code == 1
    pushed = len(site.geckoboard.requests)
    site.geckoboard.heal()
    site.api.fail(Answer(400))
    assert site.once().code == 1
    assert len(site.geckoboard.requests) == pushed + 1
    assert site.geckoboard.widgets["requests"] == [
        {"x_axis": {"type": "datetime"}, "series": [{"name": "requests", "data": []}]}
    ]


def test_what_is_set_aside_of_earlier_answers_is_told_by_the_run_that_pushes_them(site: Site) -> None:
    site.series("web.errors")
    site.graphite.fail(Answer(403), times=1)
    assert site.once().code == 1
    site.graphite.fail(Answer(400), times=1)
    result = site.once()
    assert result.code == 1
    assert "[[web.errors]] hosted_graphite: payloads set aside (1): " in result.stderr
    assert len(site.graphite.points) == 10


def test_a_destination_that_failed_is_not_tried_again_by_the_same_run(site: Site) -> None:
    site.series("web.errors")
    site.graphite.fail(Answer(403), times=None)
    for run in (1, 2):
        result = site.once()
        assert (result.code, len(result.stderr.splitlines())) == (1, 1)
        assert len(site.graphite.requests) == run


def test_each_search_of_a_destination_that_several_share_is_told(site: Site, tmp_path: Path) -> None:
    nowhere = tmp_path / "a file"
    nowhere.write_text("")
    for name in ("first", "second"):
        site.search(name, {"service": "sqlite", "path": str(nowhere / "metrics.db"), "metric_name": name})
    told = sorted(site.once().stderr.splitlines())
    assert [line.split(" ")[1] for line in told] == ["[[first]]", "[[second]]"]
