"""A single run in which the query API fails: every search on its own, told by a line, and no other search suffers."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from importer.simulators.base import BROKEN_JSON, HTML_PAGE, Answer, Fault, Hold, cut_off, deep_json, reset
from importer.simulators.log_search import API_KEY, LogSearchSimulator
from tests.commands import Result
from tests.leexport.answers import answer, statistics_answer
from tests.leexport.faulty import (
    LIMITED,
    asks,
    in_turn,
    own_commands,
    poll_path,
    polls,
    posts,
    running,
    said,
    services_said,
    statement_of,
)
from tests.leexport.site import Site, opened_site

NO_LINKS = {"id": "1", "progress": 0, "events": []}
EVENTS = {"events": [{"message": "GET / 200"}]}


@dataclass(frozen=True)
class Failing:
    """What a search's query meets, how many times it is posted for that, and what is told."""

    fault: Answer | Fault
    told: str
    posted: int = 1


FAILING = {
    "reset": Failing(reset, "connection closed without an answer", 4),
    "cut-off": Failing(cut_off(after_bytes=20), "answer cut off after", 4),
    "bad-query": Failing(
        Answer.json({"errorCode": "301003", "message": "Invalid LEQL statement"}, status=400),
        "HTTP 400: 301003: Invalid LEQL statement",
    ),
    "wrong-key": Failing(Answer.json({"message": "Unauthorized"}, status=401), "HTTP 401: Unauthorized; the key is"),
    "forbidden": Failing(Answer.json({"message": "Forbidden"}, status=403), "HTTP 403: Forbidden; the key is refused"),
    "no-such-log": Failing(
        Answer.json({"message": "HTTP 404 Not Found"}, status=404),
        "HTTP 404: HTTP 404 Not Found; logs holds a key that no log has",
    ),
    "limited": Failing(Answer(429, LIMITED | {"X-RateLimit-Reset": "0"}), "HTTP 429; the rate limit is used up", 4),
    "broken": Failing(Answer.json({"message": "Oops"}, status=500), "HTTP 500: Oops", 4),
    "overloaded": Failing(Answer(503), "HTTP 503", 4),
    "portal": Failing(HTML_PAGE, "is not JSON"),
    "half-json": Failing(BROKEN_JSON, "is not JSON"),
    "deep-json": Failing(deep_json(), "JSON"),
    "list": Failing(Answer.json([1]), "the answer is no JSON object"),
    "text": Failing(Answer.json("later"), "the answer is no JSON object"),
    "null": Failing(Answer.json(None), "the answer is no JSON object"),
    "created": Failing(Answer.json({}, status=201), "HTTP 201"),
    "no-content": Failing(Answer(204), "HTTP 204"),
    "moved": Failing(Answer(302, {"Location": "/elsewhere"}), "HTTP 302"),
    "no-link": Failing(Answer.json(NO_LINKS, status=202), "HTTP 202 without a link to the final answer"),
    "odd-links": Failing(Answer.json(NO_LINKS | {"links": {"rel": "Self"}}, status=202), "HTTP 202 without a link"),
    "no-address": Failing(
        Answer.json(NO_LINKS | {"links": [{"rel": "Self", "href": "ftp://127.0.0.1/x"}]}, status=202),
        "sent on to what cannot be asked",
    ),
    "events": Failing(Answer.json(EVENTS), "the answer holds events, not statistics"),
    "nothing": Failing(Answer.json({"statistics": None}), "the answer holds no statistics"),
    "odd-statistics": Failing(Answer.json({"statistics": [1]}), "the statistics in the answer are no object"),
    "odd-series": Failing(
        Answer.json(statistics_answer(timeseries={"s": {"count": 1}})), "the time series in the answer is no list"
    ),
    "odd-groups": Failing(Answer.json(statistics_answer(groups=[1])), "a group in the answer is no object"),
    "no-times": Failing(
        Answer.json(statistics_answer(timeseries={"s": [{"count": 1}]})),
        "the answer does not say when its points are",
    ),
    "beyond-the-calendar": Failing(
        Answer.json(statistics_answer(timeseries={"s": [{"count": 1}]}, **{"from": 10**18}, granularity=1)),
        "a time in the answer is beyond the calendar",
    ),
    "groups": Failing(Answer.json(answer("groups")), "line_chart needs a time series; the answer has groups"),
    "expired": Failing(running("expired"), "HTTP 404: HTTP 404 Not Found; the query has expired"),
    "failing-polls": Failing(running("failing-polls"), "HTTP 500"),
    "poll-without-json": Failing(running("poll-without-json"), "is not JSON"),
}
"""By the name of the search, which is a line chart."""


@dataclass(frozen=True)
class Run:
    """A run that has ended, and where."""

    site: Site
    result: Result


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One run in which each search of FAILING meets its fault, and two others meet none."""
    with opened_site(own_commands(tmp_path_factory.mktemp("failed") / "home")) as site:
        for name, case in FAILING.items():
            site.line(name, statement=statement_of(name))
            site.api.fail(case.fault, times=None, when=asks(name))
        site.api.fail(Answer(500), times=None, when=poll_path("failing-polls"))
        site.api.fail(HTML_PAGE, times=None, when=poll_path("poll-without-json"))
        site.line("good")
        site.series("well")
        yield Run(site, site.once())


def test_a_run_in_which_queries_fail_pushes_the_others_and_exits_with_1(failed: Run) -> None:
    assert failed.result.code == 1
    assert list(failed.site.geckoboard.widgets) == ["good"]
    assert len(failed.site.graphite.points) == 10


def test_each_query_that_failed_is_told_in_one_line_with_its_service(failed: Run) -> None:
    assert services_said(failed.result) == dict.fromkeys(FAILING, "geckoboard")


@pytest.mark.parametrize("name", FAILING)
def test_a_query_that_failed_is_told_with_the_reason(failed: Run, name: str) -> None:
    assert FAILING[name].told in said(failed.result)[name]


@pytest.mark.parametrize("name", FAILING)
def test_a_query_is_repeated_only_where_that_may_help(failed: Run, name: str) -> None:
    assert len(posts(failed.site, name)) == FAILING[name].posted


def test_no_redirect_of_a_query_is_followed(failed: Run) -> None:
    assert failed.site.api.requests_to("/elsewhere") == ()


def test_a_poll_that_fails_is_tried_four_times_at_the_same_address(failed: Run) -> None:
    assert len(polls(failed.site, "failing-polls")) == 4
    assert len({request.target for request in polls(failed.site, "failing-polls")}) == 1


def test_nothing_waits_after_queries_that_failed(failed: Run) -> None:
    assert "Nothing waits to be delivered." in failed.site.commands.run("metrics-importer", "outbox", "list").stdout


def values(site: Site, name: str) -> list[object]:
    """Return the values of a line chart that was pushed once."""
    (state,) = site.geckoboard.widgets[name]
    return [value for _, value in state["series"][0]["data"]]  # type: ignore[index]


SERIES = [31.0, 28.0, 0.0, 40.5, 33.0]
"""Of the fixture `timeseries`."""


HEALING: dict[str, tuple[Answer | Fault, ...]] = {
    "three-times-500": (Answer(500), Answer(502), Answer(503)),
    "three-times-reset": (reset, reset, reset),
    "rate-limit": (Answer(429, LIMITED),),
    "retry-after": (Answer(429, {"Retry-After": "1"}),),
    "limit-told-by-403": (Answer(403, LIMITED),),
}
"""What the query of a search meets before it is answered properly."""


@pytest.fixture(scope="module")
def healed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One run in which each search of HEALING meets what heals."""
    with opened_site(own_commands(tmp_path_factory.mktemp("healed") / "home")) as site:
        for name, faults in HEALING.items():
            site.line(name, statement=statement_of(name))
            site.api.answers[statement_of(name)] = answer("timeseries")
            site.api.fail(in_turn(*faults), times=None, when=asks(name))
        yield Run(site, site.once())


def test_what_heals_is_no_failure(healed: Run) -> None:
    assert (healed.result.code, healed.result.stderr) == (0, "")


@pytest.mark.parametrize("name", HEALING)
def test_a_query_that_heals_is_pushed_once(healed: Run, name: str) -> None:
    assert values(healed.site, name) == SERIES
    assert len(posts(healed.site, name)) == len(HEALING[name]) + 1


@pytest.mark.parametrize("name", ["rate-limit", "retry-after", "limit-told-by-403"])
def test_the_pause_that_the_vendor_asks_for_is_made(healed: Run, name: str) -> None:
    first, second = posts(healed.site, name)
    assert second.time - first.time >= 1


def test_queries_of_one_run_are_asked_side_by_side(site: Site) -> None:
    hold = Hold()
    site.line("one")
    site.line("two")
    site.series("three")
    site.api.fail(hold, times=None)
    site.write()
    with site.commands.start("leexportpy", "start", "-c", site.config, "--once") as process:
        site.api.wait_for(3)
        hold.release()
        process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.parametrize("status", [202, 200])
@pytest.mark.parametrize("rel", ["Self", "self"])
def test_a_query_that_takes_time_is_polled_until_it_is_final(site: Site, status: int, rel: str) -> None:
    site.line("late", statement=statement_of("late"))
    site.api.fail(running("late", status=status, rel=rel), when=asks("late"))
    site.api.fail(running("late", status=status, rel=rel, progress=90), when=poll_path("late"))
    site.api.fail(Answer.json(answer("timeseries")), when=poll_path("late"))
    assert site.once().code == 0
    assert values(site, "late") == SERIES
    assert (len(posts(site, "late")), len(polls(site, "late"))) == (1, 2)
    assert all(request.headers["x-api-key"] == API_KEY for request in polls(site, "late"))


def test_a_poll_that_fails_in_between_is_repeated_and_the_query_is_not(site: Site) -> None:
    site.line("late", statement=statement_of("late"))
    site.api.fail(running("late"), when=asks("late"))
    faults = (Answer(500), reset, Answer.json(answer("timeseries")))
    site.api.fail(in_turn(*faults), times=None, when=poll_path("late"))
    assert site.once().code == 0
    assert values(site, "late") == SERIES
    assert (len(posts(site, "late")), len(polls(site, "late"))) == (1, 3)


@pytest.mark.parametrize("polled", [False, True])
def test_the_next_page_of_events_is_never_fetched(site: Site, polled: bool) -> None:
    site.api.polls = int(polled)
    site.line("events", statement="where(status>=200)")
    result = site.once()
    assert (result.code, said(result)) == (1, {"events": "the answer holds events, not statistics"})
    assert len(site.api.requests) == 1 + polled


def test_a_query_without_a_final_answer_is_given_up_at_its_time_limit(site: Site) -> None:
    site.line("endless", statement=statement_of("endless"))
    site.series("good")
    site.api.fail(running("endless", progress=40), times=None, when=asks("endless"))
    site.api.fail(running("endless", progress=41), times=None, when=poll_path("endless"))
    site.write(account=f"rw_api_key = {API_KEY}\nurl = {site.api.base_url}\nquery_timeout = 1")
    result = site.run("start", "-c", site.config, "--once")
    assert result.code == 1
    assert "no final answer within 1 s (query_timeout in [LE]), last progress: 41" in said(result)["endless"]
    assert len(site.graphite.points) == 10


def test_a_poll_that_leads_to_another_host_does_not_take_the_key_along(site: Site) -> None:
    with LogSearchSimulator() as other:
        site.line("sent-on", statement=statement_of("sent-on"))
        site.line("good")
        site.api.fail(running("sent-on", host=f"localhost:{other.port}"), times=None, when=asks("sent-on"))
        result = site.once()
        assert other.requests
        assert all(API_KEY not in str(request) for request in other.requests)
    assert result.code == 1
    assert "this host is not the vendor's, so it was asked without the key" in said(result)["sent-on"]
    assert list(site.geckoboard.widgets) == ["good"]


def test_a_query_api_that_is_down_fails_every_search_and_what_was_kept_is_pushed_all_the_same(site: Site) -> None:
    site.line("chart")
    site.series("web.errors")
    site.graphite.fail(Answer(403))
    assert site.once().code == 1
    site.write(account=f"rw_api_key = {API_KEY}\nurl = http://127.0.0.1:{unused_port()}")
    result = site.run("start", "-c", site.config, "--once")
    assert result.code == 1
    assert sorted(said(result)) == ["chart", "web.errors"]
    assert all("connection refused" in reason for reason in said(result).values())
    assert len(site.graphite.points) == 10


def test_a_run_that_is_asked_to_stop_while_a_query_hangs_says_so_and_ends(site: Site) -> None:
    hold = Hold()
    site.line("slow", statement=statement_of("slow"))
    site.line("good")
    site.api.fail(hold, times=None, when=asks("slow"))
    site.write()
    with site.commands.start("leexportpy", "start", "-c", site.config, "--once") as process:
        site.api.wait_for(asks("slow"))
        site.geckoboard.wait_for_widget("good")
        process.terminate()
        _, told = process.communicate(timeout=10)
    assert process.returncode == 1
    assert told == (
        "leexportpy: asked to stop before everything was pushed; what was obtained is kept; not ended: [[slow]]\n"
    )


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
