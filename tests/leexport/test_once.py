"""`leexportpy start --once`: every search once, and what it says about those that were not pushed."""

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
