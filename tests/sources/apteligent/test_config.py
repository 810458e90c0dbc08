"""apteligent.json and app_timezones.json, as the fixtures and the old sample have them."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from importer.credentials import redact
from importer.errors import ConfigError
from importer.sources.apteligent.config import load_account, load_app_zones
from tests.apteligent import BIKE, GOLDEN, INDIA, account_keys


def write(folder: Path, content: object) -> Path:
    path = folder / "file.json"
    path.write_text(json.dumps(content))
    return path


def test_a_bare_host_means_https(tmp_path: Path) -> None:
    account = load_account(write(tmp_path, account_keys("developers.eu.crittercism.com")))
    assert account.url == "https://developers.eu.crittercism.com"
    assert account.proxies is None


def test_a_whole_address_is_taken_as_it_is(tmp_path: Path) -> None:
    assert load_account(write(tmp_path, account_keys("http://127.0.0.1:8081/"))).url == "http://127.0.0.1:8081"


def test_proxies_are_taken_as_requests_takes_them_and_their_passwords_are_secrets(tmp_path: Path) -> None:
    proxies = {"https": "http://me:proxy-pass-word@proxy.example.org:3128", "http": "proxy:3128", "ftp": ""}
    account = load_account(write(tmp_path, {**account_keys("a.example"), "proxies": proxies}))
    assert account.proxies == proxies
    assert redact("proxy-pass-word") == "***"


def test_the_account_does_not_print_its_secrets(tmp_path: Path) -> None:
    account = load_account(write(tmp_path, {**account_keys("a.example"), "password": "hunter-two"}))
    assert "hunter-two" not in repr(account)
    assert account.password.reveal() == "hunter-two"


def test_zones_may_lack_a_country_and_have_half_hours() -> None:
    zones = load_app_zones(GOLDEN / "app_timezones.json")
    assert (zones[BIKE.app_id].offset, zones[BIKE.app_id].country) == (timedelta(hours=-8), "US")
    assert (zones[INDIA.app_id].offset, zones[INDIA.app_id].country) == (timedelta(hours=5, minutes=30), None)


@pytest.mark.parametrize("entry", [["Bike", 0], ["Bike", 0, ""], ["Bike", 0, None]])
def test_an_empty_country_is_none(entry: object, tmp_path: Path) -> None:
    assert load_app_zones(write(tmp_path, {"a1": entry}))["a1"].country is None


def test_every_wrong_zone_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_app_zones(write(tmp_path, {"a1": 1, "b2": ["fine", 1], "c3": ["x", "1"]}))
    assert [problem.key for problem in caught.value.problems] == ["a1", "c3"]
