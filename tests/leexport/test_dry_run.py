"""`leexportpy start --dry-run`: what would be pushed is printed, and nothing is pushed, kept or run of users' code."""

import json

import pytest

from importer.simulators.base import Answer
from tests.commands import Result
from tests.leexport.answers import GOLDEN, answer
from tests.leexport.faulty import said
from tests.leexport.site import COUNT, GROUPS, Site

EXPECTED = json.loads((GOLDEN / "expected_geckoboard.json").read_text())


def dry_run(site: Site, **options: object) -> Result:
    site.api.answers[COUNT] = answer("timeseries")
    site.api.answers[GROUPS] = answer("groups")
    site.write()
    return site.run("start", "-c", site.config, "--dry-run", **options)


def shown(result: Result) -> dict[str, str]:
    """Return what was printed of each search, by `NAME -> SERVICE`; lines of the log are left out."""
    texts: dict[str, str] = {}
    lines = [line for line in result.stdout.splitlines() if " - INFO - " not in line]
    for section in "\n".join(lines).split("# ")[1:]:
        name, _, text = section.partition("\n")
        texts[name] = text.strip("\n")
    return texts


def test_what_would_be_pushed_is_printed_by_search_in_the_files_order(site: Site) -> None:
    site.line("second")
    site.series("shop.web.errors")
    result = dry_run(site)
    assert (result.code, result.stderr) == (0, "")
    assert list(shown(result)) == ["second -> geckoboard", "shop.web.errors -> hosted_graphite"]
    assert json.loads(shown(result)["second -> geckoboard"])["series"][0]["name"] == "second"
    graphite = (GOLDEN / "expected_hosted_graphite.txt").read_text()
    assert f"{shown(result)['shop.web.errors -> hosted_graphite']}\n" == graphite


def test_nothing_is_pushed_or_kept(site: Site) -> None:
    site.line("chart")
    site.series("web.errors")
    site.search("store", {"service": "sqlite", "metric_name": "web.errors"})
    site.search("example", {"service": "dummy", "push_url": f"{site.geckoboard.url}/dummy"})
    assert dry_run(site).code == 0
    assert len(site.asked()) == 4
    assert site.geckoboard.requests == site.graphite.requests == ()
    assert list(site.commands.state_dir.iterdir()) == []


def test_what_waits_from_earlier_runs_is_left_alone(site: Site) -> None:
    site.series("web.errors")
    site.graphite.fail(Answer(403))
    assert site.once().code == 1
    before = site.commands.run("metrics-importer", "outbox", "list").stdout
    assert dry_run(site).code == 0
    assert len(site.graphite.requests) == 1
    after = site.commands.run("metrics-importer", "outbox", "list").stdout
    assert ("hosted_graphite: web.errors" in before) and ("hosted_graphite: web.errors" in after)


def test_a_users_service_is_named_and_not_run(site: Site) -> None:
    (site.commands.config_dir / "mine_service.py").write_text(
        "class MineService:\n    def __init__(self, *_):\n        raise SystemExit('was made')\n"
    )
    site.search("own", {"service": "mine"})
    site.api.answers[COUNT] = answer("timeseries")
    site.write(head="services_dir = .")
    result = site.run("start", "-c", site.config, "--dry-run")
    assert (result.code, result.stderr) == (0, "")
    assert shown(result) == {"own -> mine": "the answer is given to MineService.process()"}


@pytest.mark.parametrize(
    ("destination", "lines"),
    [
        (
            {"service": "graphite", "host": "carbon.invalid", "port": 2003},
            ["shop.dau 31.0 1549383600.000", "shop.dau 28.0 1549383720.000"],
        ),
        (
            {"service": "graphite", "host": "carbon.invalid", "port": 2003, "protocol": "pickle"},
            ["shop.dau 31.0 1549383600.000", "shop.dau 28.0 1549383720.000"],
        ),
        ({"service": "file"}, ['{"name":"shop.dau","labels":{},"value":31.0,"timestamp":1549383600.0}']),
        ({"service": "prometheus", "textfile": "shop.prom"}, ["shop_dau 31.0"]),
        (
            {"service": "influxdb", "url": "http://influx.invalid", "database": "shop"},
            ["shop.dau value=31.0 1549383600000"],
        ),
        ({"service": "sqlite"}, ["shop.dau 31.0 1549383600.000"]),
    ],
)
def test_points_are_printed_as_lines_that_people_can_read(
    site: Site, destination: dict[str, object], lines: list[str]
) -> None:
    site.search("points", {**destination, "metric_name": "shop.dau"})
    result = dry_run(site)
    assert (result.code, result.stderr) == (0, "")
    (text,) = shown(result).values()
    assert text.isascii()
    assert [line.strip() for line in text.splitlines()][: len(lines)] == lines


def test_what_cannot_be_obtained_is_told_and_the_others_are_printed(site: Site) -> None:
    site.line("failing", statement="where(failing) calculate(count)")
    site.line("unfit", statement=GROUPS)
    site.line("good")
    site.api.fail(Answer(400), when=lambda request: b"failing" in request.body)
    result = dry_run(site)
    assert result.code == 1
    assert list(shown(result)) == ["good -> geckoboard"]
    assert said(result).keys() == {"failing", "unfit"}
    assert "HTTP 400" in said(result)["failing"]
    assert said(result)["unfit"] == "line_chart needs a time series; the answer has groups"


def test_a_search_with_a_mistake_is_told_and_the_others_are_printed(site: Site) -> None:
    site.line("zero", period=0)
    site.line("good")
    result = dry_run(site)
    assert result.code == 78
    assert "[[zero]] query_period: " in result.stderr
    assert list(shown(result)) == ["good -> geckoboard"]


def test_an_empty_answer_is_printed_as_nothing(site: Site) -> None:
    site.series("web.errors")
    site.api.answers[COUNT] = answer("timeseries_empty")
    site.write()
    result = site.run("start", "-c", site.config, "--dry-run")
    assert result.code == 0
    assert shown(result) == {"web.errors -> hosted_graphite": ""}


@pytest.mark.parametrize("other", ["--once", "-d"])
def test_a_dry_run_is_not_to_be_combined_with_the_ways_that_push(site: Site, other: str) -> None:
    site.line("chart")
    site.write()
    result = site.run("start", "-c", site.config, "--dry-run", other)
    assert result.code == 2
    assert site.api.requests == ()
