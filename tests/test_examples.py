"""Every example below etc/apteligent-importer loads exactly as it is shipped."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.destinations import load_destinations
from importer.group_map import load_group_map
from importer.sources.apteligent.config import load_account, load_app_zones
from importer.stores import load_entries, load_json
from tests.apteligent import COMMANDS
from tests.commands import ROOT, Commands

EXAMPLES = ROOT / "etc" / "apteligent-importer"
COUNTRIES = ["AU", "AR", "CA", "US", "IE", "PL", "ZA", "IT", "NL", "DK", "DE", "MX", "BE", "TW", "UK"]

LOADERS: dict[str, Callable[[Path], object]] = {
    "apteligent.json": load_account,
    "graphite.json": lambda path: load_destinations(path, state=path.parent),
    "app_timezones.json": load_app_zones,
    "app.blacklist": load_entries,
    "services.whitelist": load_entries,
    "carrier.map": load_group_map,
    "pingdom.json": load_json,
}


def test_every_example_has_a_reader() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == set(LOADERS)


@pytest.mark.parametrize("name", LOADERS)
def test_an_example_loads_as_it_is_shipped(name: str) -> None:
    LOADERS[name](EXAMPLES / name)


def test_the_old_sample_values_are_kept() -> None:
    account = load_account(EXAMPLES / "apteligent.json")
    assert (account.url, account.metric_root) == ("https://developers.crittercism.com", "apteligent")
    assert json.loads((EXAMPLES / "graphite.json").read_text()) == {
        "host": "127.0.0.1",
        "port": 2014,
        "protocol": "dummy",
        "max_buffer": 500,
    }
    assert list(load_group_map(EXAMPLES / "carrier.map")) == COUNTRIES


def test_the_examples_use_countries_of_the_carrier_map() -> None:
    zones = load_app_zones(EXAMPLES / "app_timezones.json").values()
    assert {zone.country for zone in zones} - {None} <= set(load_group_map(EXAMPLES / "carrier.map"))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_in_a_users_home_are_all_that_a_command_wants(command: str, commands: Commands) -> None:
    """With a proxy where nobody listens: the configuration is accepted, and what fails is the request."""
    (commands.home / ".apteligent-importer").symlink_to(EXAMPLES)
    commands.config_dir.rmdir()
    result = commands.run(command, "--once", env={"CONFIG_DIR": None, "https_proxy": "http://127.0.0.1:9"})
    assert result.code == 1
    assert "connection refused" in result.stderr
    assert result.stderr.count("\n") == 1
