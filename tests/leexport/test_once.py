"""`leexportpy start --once`: every search once, and what it says about those that were not pushed."""

import subprocess
import sys
from pathlib import Path

import pytest

from importer.simulators.base import Answer, never
from importer.simulators.faults import delay
from tests.commands import ROOT
from tests.leexport.answers import answer
from tests.leexport.running import serving
from tests.leexport.site import COUNT, GROUPS, Site
from tests.terminals import run_at_terminal

SEARCHES = 90
DESCRIPTORS = 150
"""Not enough for all of these searches at once."""


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


def test_a_terminal_shows_how_many_searches_are_done(site: Site) -> None:
    site.line("requests")
    site.line("errors")
    site.geckoboard.fail(delay(0.4), times=None)
    site.write()
    code, terminal = run_at_terminal(site.commands, "leexportpy", "start", "-c", site.config, "--once")
    assert code == 0
    assert " of 2 searches" in terminal.text
    assert [line for line in terminal.screen if " searches" in line] == []


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


def test_a_search_that_fails_twice_is_told_in_one_line(site: Site) -> None:
    site.series("web.errors")
    site.graphite.fail(Answer(403), times=None)
    assert site.once().code == 1
    site.api.fail(Answer(400), times=None)
    result = site.once()
    assert result.code == 1
    (line,) = result.stderr.splitlines()
    query, push = line.removeprefix("leexportpy: [[web.errors]] hosted_graphite: ").split("; not pushed, kept: ")
    assert "HTTP 400" in query
    assert "HTTP 403" in push


def once_with_descriptors(site: Site, descriptors: int) -> subprocess.CompletedProcess[str]:
    """Run all searches once where so many files can be open at a time."""
    leexportpy = [sys.executable, str(ROOT / "bin" / "leexportpy"), "start", "-c", str(site.config), "--once"]
    return subprocess.run(
        ["sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh", *leexportpy],
        capture_output=True,
        text=True,
        cwd=site.commands.home,
        env=site.commands.environment,
        timeout=120,
        check=False,
    )


def test_searches_beyond_what_the_system_lets_be_open_at_once_take_turns(site: Site) -> None:
    names = [f"s{number}" for number in range(SEARCHES)]
    for name in names:
        site.line(name)
    site.write()
    done = once_with_descriptors(site, DESCRIPTORS)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(site.geckoboard.widgets) == sorted(names)


def test_what_is_kept_of_many_searches_is_pushed_within_the_same_bounds(site: Site) -> None:
    for number in range(60):
        site.series(f"s{number}")
    site.graphite.fail(Answer(403), times=None)
    assert site.once().code == 1
    site.graphite.heal()
    site.write()
    done = once_with_descriptors(site, 130)
    assert (done.returncode, done.stderr) == (0, "")
    assert len({point.name for point in site.graphite.points}) == 60


def test_a_dry_run_that_is_asked_to_stop_says_which_searches_had_not_ended(site: Site) -> None:
    site.line("slow")
    site.api.fail(never, times=None)
    site.write()
    with site.commands.start("leexportpy", "start", "-c", site.config, "--dry-run") as process:
        site.api.wait_for(1)
        process.terminate()
        _, told = process.communicate(timeout=5)
    assert process.returncode == 1
    assert told == "leexportpy: asked to stop before everything was obtained; not ended: [[slow]]\n"


def test_of_many_searches_that_had_not_ended_some_are_named(site: Site) -> None:
    for number in range(12):
        site.line(f"s{number}")
    site.api.fail(never, times=None)
    site.write()
    with site.commands.start("leexportpy", "start", "-c", site.config, "--once") as process:
        site.api.wait_for(12)
        process.terminate()
        _, told = process.communicate(timeout=5)
    names = ", ".join(f"[[s{number}]]" for number in range(10))
    assert told.endswith(f"what was obtained is kept; not ended: {names} and 2 more\n")


@pytest.mark.parametrize("how", ["", "--once"])
def test_a_start_without_a_search_that_can_be_used_tells_each_and_ends(site: Site, how: str) -> None:
    for name in ("first", "second"):
        site.search(name, {"service": "nosuch"})
    site.write()
    result = site.run("start", "-c", site.config, *filter(None, [how]))
    assert result.code == 78
    told = [line.partition(f"{site.config}: ")[2] for line in result.stderr.splitlines()]
    assert [line.partition(" service: unknown service nosuch")[0] for line in told] == [
        "[Searches] [[first]]",
        "[Searches] [[second]]",
    ]
    assert site.asked() == []


def test_a_service_whose_searches_have_all_become_wrong_runs_none_until_one_is_mended(site: Site) -> None:
    site.line("requests")
    with serving(site) as service:
        site.geckoboard.wait_for_widget("requests")
        site.search("requests", {"service": "nosuch"})
        site.write()
        service.reload()
        (told,) = service.lines("search left out: ")
        assert "[[requests]] service: unknown service nosuch" in told
        site.line("requests")
        site.write()
        service.reload()
        site.geckoboard.wait_for_widget("requests", 2)
        ended = service.stop()
    assert (ended.code, ended.stderr) == (0, [])


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
