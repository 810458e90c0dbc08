"""Query files as the old configuration repository has them run as they are, by the command, into a data set."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from importer.simulators.backdrop import BackdropSimulator
from importer.simulators.gcloud import GcloudSimulator
from importer.simulators.google import GoogleSimulator
from importer.simulators.pingdom import TOKEN as PINGDOM_TOKEN
from importer.simulators.pingdom import PingdomSimulator, SimulatedCheck
from importer.simulators.piwik import TOKEN as PIWIK_TOKEN
from importer.simulators.piwik import PiwikSimulator
from importer.simulators.webtrends import PASSWORD, USER, WebtrendsSimulator
from tests.collector.google_world import ACCESS_TOKEN, GoogleWorld
from tests.collector.vendor_world import GOLDEN, golden
from tests.commands import Commands

SET_TOKEN = "t0ken-of-the-set"
SECRETS = (SET_TOKEN, ACCESS_TOKEN, PINGDOM_TOKEN, PIWIK_TOKEN, PASSWORD, "1/example", "not-a-real-secret")
CELL = {
    "pageTitle": "A \u2603",
    "pagePath": "/a",
    "eventCategory": "pp",
    "eventAction": "b",
    "day": "01",
    "month": "01",
}
FIGURES = ("pageviews", "uniquePageviews", "uniqueEvents", "goal5Starts", "activeVisitors")
GOOGLE_ROW = {**CELL, "year": "2026", **dict.fromkeys(FIGURES, "7")}
QUERIES = sorted(path.stem for path in GOLDEN.glob("query-*.json"))

Credentials = dict[str, object]


def google(stack: ExitStack, folder: Path, query: dict[str, str]) -> Credentials:
    view = query.get("id", query.get("ids", "")).removeprefix("ga:")
    vendor = stack.enter_context(GoogleSimulator(access_token=ACCESS_TOKEN, known=(view,)))
    vendor.reports[""] = [GOOGLE_ROW]
    vendor.active_users = 7
    return GoogleWorld(vendor, folder).v3()


def piwik(stack: ExitStack, _folder: Path, _query: object) -> Credentials:
    return {"url": stack.enter_context(PiwikSimulator()).index_url, "token_auth": PIWIK_TOKEN}


def webtrends(stack: ExitStack, _folder: Path, _query: object) -> Credentials:
    vendor = stack.enter_context(WebtrendsSimulator())
    addresses = {"keymetrics_url": vendor.keymetrics_url, "reports_url": vendor.reports_url}
    return {"user": USER, "password": PASSWORD, **addresses}


def pingdom(stack: ExitStack, _folder: Path, query: dict[str, str]) -> Credentials:
    vendor = stack.enter_context(PingdomSimulator())
    vendor.checks = [SimulatedCheck(101, query["name"])]
    return {"token": PINGDOM_TOKEN, "url": vendor.url_3_1}


def gcloud(stack: ExitStack, _folder: Path, query: dict[str, str]) -> Credentials:
    query["url"] = stack.enter_context(GcloudSimulator()).page_url
    return {}


VENDORS: dict[str, Callable[[ExitStack, Path, dict[str, str]], Credentials]] = {
    "ga": google,
    "piwik": piwik,
    "webtrends": webtrends,
    "pingdom": pingdom,
    "gcloud": gcloud,
}


@pytest.mark.parametrize("name", QUERIES)
def test_an_old_query_file_fills_its_data_set_and_no_secret_is_told(commands: Commands, name: str) -> None:
    content = golden(name)
    place = content["data-set"]
    vendor = content["entrypoint"].split(".")[2]
    with ExitStack() as stack, BackdropSimulator() as backdrop:
        data_set = backdrop.add_data_set(place["data-group"], place["data-type"], token=SET_TOKEN)
        files = {
            "-q": content,
            "-c": VENDORS[vendor](stack, commands.home, content["query"]),
            "-t": {"token": SET_TOKEN},
            "-b": {"backdrop_url": backdrop.data_url},
        }
        arguments: list[str | Path] = []
        for option, file in files.items():
            (commands.home / f"file{option}.json").write_text(json.dumps(file))
            arguments += [option, commands.home / f"file{option}.json"]
        result = commands.run("pp-collector", *arguments, env={"LOGLEVEL": "DEBUG"})
        dry = commands.run("pp-collector", *arguments, "--dry-run")
    assert (result.code, dry.code) == (0, 0), result.stderr
    assert data_set.records
    logs = [path.read_text() for path in commands.log_dir.iterdir()]
    told = "\n".join([result.stdout, result.stderr, dry.stdout, dry.stderr, *logs])
    assert not [secret for secret in SECRETS if secret in told]


def test_there_is_a_query_file_for_each_kind_of_vendor() -> None:
    assert {golden(name)["entrypoint"].split(".")[2] for name in QUERIES} == set(VENDORS)
