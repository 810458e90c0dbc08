"""Pingdom's answers are read whatever they leave out, and refused where they are of another kind."""

import json
from pathlib import Path

import pytest

from importer.config import ObjectReader
from importer.errors import ConfigError
from importer.sources.pingdom.config import URL_2_0, URL_3_1, load_settings, read_access
from importer.sources.pingdom.parse import Check, Result, parse_checks, parse_hours, parse_results
from tests.collector.vendor_world import golden


def test_the_recorded_checks_are_read() -> None:
    first, second = parse_checks(golden("pingdom-checks"))
    assert first == Check(101, "govuk", "up", 721, 1371340000)
    assert second == Check(102, "name with spaces", "up", None, None, 300)


@pytest.mark.parametrize("answer", [None, [], {}, {"checks": {}}])
def test_what_is_no_list_of_checks_is_refused(answer: object) -> None:
    with pytest.raises(ValueError, match='holds no "checks"'):
        parse_checks(answer)


def test_what_is_no_check_is_left_out() -> None:
    assert parse_checks({"checks": [7, {}, {"id": True, "name": "x"}, {"id": 1, "name": None}]}) == []


@pytest.mark.parametrize("answer", [None, {}, {"summary": []}, {"summary": {"hours": {}}}])
def test_what_is_no_summary_is_refused(answer: object) -> None:
    with pytest.raises(ValueError, match='holds no "hours"'):
        parse_hours(answer)


@pytest.mark.parametrize("hour", [7, {}, {"starttime": "1371333600"}, {"starttime": -1}, {"starttime": 2**33}])
def test_an_hour_without_a_time_is_refused(hour: object) -> None:
    with pytest.raises(ValueError, match='no "starttime"'):
        parse_hours({"summary": {"hours": [hour]}})


def test_figures_that_are_no_numbers_are_left_out() -> None:
    (hour,) = parse_hours(
        {"summary": {"hours": [{"starttime": 0, "uptime": None, "downtime": "1", "avgresponse": 1.5}]}}
    )
    assert dict(hour.figures) == {"avgresponse": 1.5}


def test_tests_are_read_oldest_first() -> None:
    newest = {"probeid": 33, "time": 120, "status": "down", "responsetime": 7}
    answer = {"results": [newest, {"time": 60, "status": None}], "activeprobes": [33]}
    assert parse_results(answer) == [Result(60, "", None), Result(120, "down", 7)]


@pytest.mark.parametrize("answer", [None, {}, {"results": {}}, {"results": [7]}, {"results": [{"status": "up"}]}])
def test_what_is_no_list_of_tests_is_refused(answer: object) -> None:
    with pytest.raises(ValueError, match="test"):
        parse_results(answer)


# Credentials and pingdom.json


@pytest.mark.parametrize(
    ("keys", "url"),
    [
        ({"token": "t0ken"}, URL_3_1),
        ({"user": "me", "password": "s3cret", "app_key": "k3y"}, URL_2_0),
        ({"token": "t0ken", "url": "http://127.0.0.1:1/api"}, "http://127.0.0.1:1/api/"),
    ],
)
def test_the_address_follows_from_the_login(keys: dict[str, str], url: str) -> None:
    assert read_access(ObjectReader(Path("a"), keys)).url == url


@pytest.mark.parametrize("proxy", ["http://", "http://p:0"])
def test_a_proxy_that_is_none_is_told(proxy: str) -> None:
    with pytest.raises(ConfigError, match=r"proxies\.https: not the address of a proxy"):
        read_access(ObjectReader(Path("a"), {"token": "t0ken", "proxies": {"https": proxy}}))


@pytest.mark.parametrize(
    ("hostname", "url"),
    [
        ("", "https://api.pingdom.com/api/3.1/"),
        ("pingdom.example", "https://pingdom.example/api/3.1/"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/3.1/"),
        ("http://127.0.0.1:8080/pingdom/", "http://127.0.0.1:8080/pingdom/"),
    ],
)
def test_a_hostname_is_a_host_or_a_whole_address(hostname: str, url: str, tmp_path: Path) -> None:
    path = tmp_path / "pingdom.json"
    path.write_text(json.dumps({"token": "t0ken", "hostname": hostname}))
    settings = load_settings(path)
    assert (settings.access.url, settings.metric_root) == (url, "pingdom")
