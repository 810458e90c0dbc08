"""metrics-importer check, on drop-ins: alone, as puppet has them checked, and together with what they add to."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.simulators.pingdom import TOKEN
from tests.cli.metrics_importer.in_process import MetricsImporter
from tests.commands import ROOT, Commands
from tests.leexport.site import Site, opened_site

CARBON = {"host": "127.0.0.1", "port": 2003}
SERVICE = {"port": 8000, "api_url": "http://127.0.0.1:9/", "metrics": [{"name": "stock", "path": "$.depth"}]}
CREDENTIALS = ROOT / "etc" / "pp-collector" / "credentials"
NAMES = ["{}", ".{}.abc123", "{}20161122-1234-abc", "x"]


def put(metrics_importer: MetricsImporter, name: str, content: object) -> Path:
    path = metrics_importer.config / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.fixture
def site(metrics_importer: MetricsImporter) -> Iterator[Site]:
    """leexportpy beside the command, with the same configuration directory."""
    home, config = metrics_importer.config.parent, metrics_importer.config
    with opened_site(Commands(home, {"CONFIG_DIR": str(config)})) as site:
        yield site


@pytest.mark.parametrize("name", NAMES)
def test_a_destination_is_known_by_its_directory_and_checked_alone(
    metrics_importer: MetricsImporter, name: str
) -> None:
    put(metrics_importer, "graphite.json", "not looked at")
    path = put(metrics_importer, f"graphite.d/{name.format('10-carbon.json')}", CARBON)
    assert metrics_importer.run("check", path).out == f"ok {path}\n"
    put(metrics_importer, f"graphite.d/{path.name}", [{**CARBON, "port": 0}])
    told = f"{path}: [1] port: 0 is not a whole number from 1 to 65535\n"
    assert metrics_importer.run("check", path, code=78).err == told


@pytest.mark.parametrize("name", NAMES)
def test_a_search_is_known_by_its_directory_and_gets_keys_from_the_file_beside_it(
    metrics_importer: MetricsImporter, site: Site, name: str
) -> None:
    site.line("one")
    path = put(metrics_importer, f"searches.d/{name.format('one.ini')}", "[Searches]\n" + site.searches["one"])
    assert metrics_importer.run("check", path).out == f"ok {path}\n"
    site.write()
    assert metrics_importer.run("check", path).out == f"ok {path}\n"
    site.config.write_text(site.config.read_text().replace("[[geckoboard]]", "[[other]]"))
    assert str(path) in metrics_importer.run("check", path, code=78).err
    path.write_text("[Searches]\n[[one]]\n")
    told = metrics_importer.run("check", path, code=78).err.splitlines()
    assert told[0] == f"{path}: [Searches] [[one]] [[[query]]]: is missing: a search needs this section"


@pytest.mark.parametrize("name", NAMES)
def test_a_service_is_known_by_its_directory_and_checked_with_what_is_the_same_for_all(
    metrics_importer: MetricsImporter, name: str
) -> None:
    without_port = {key: value for key, value in SERVICE.items() if key != "port"}
    path = put(metrics_importer, f"services.d/{name.format('shop.json')}", {"shop": without_port})
    assert metrics_importer.run("check", path).out == f"ok {path}\n"
    config = put(metrics_importer, "config.json", {"api_call_intervals": 1})
    told = f"{path}: shop.port: is missing; a number from 1 to 65535 is expected\n"
    assert metrics_importer.run("check", path, code=78).err == told
    config.write_text(json.dumps({"api_call_intervals": 1, "port": 8000, "services": "wrong, and not looked at"}))
    assert metrics_importer.run("check", path).out == f"ok {path}\n"
    config.write_text(json.dumps({"api_call_intervals": "wrong"}))
    assert metrics_importer.run("check", path).out == f"ok {path}\n"
    config.write_text("[]")
    assert metrics_importer.run("check", path).out == f"ok {path}\n"
    path.write_text(json.dumps({"shop": {**SERVICE, "colour": "red"}}))
    assert metrics_importer.run("check", path).err == f"warning: {path}: shop.colour: is not known, and passed over\n"


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (CARBON | {"protocol": "plain"}, {"port": 0}),
        ([CARBON | {"protocol": "plain"}], None),
        ({"shop": SERVICE}, None),
    ],
)
def test_a_drop_in_of_json_is_known_by_its_content_anywhere(
    metrics_importer: MetricsImporter, tmp_path: Path, content: object, wrong: dict[str, object] | None
) -> None:
    path = tmp_path / "x"
    path.write_text(json.dumps(content))
    assert metrics_importer.run("check", path).out == f"ok {path}\n"
    if wrong is not None and isinstance(content, dict):
        path.write_text(json.dumps(content | wrong))
        assert metrics_importer.run("check", path, code=78).err.startswith(f"{path}: port: ")


@pytest.mark.parametrize("content", ["[]", "{}", "7", '[{"a": 1}]', '{"shop": []}', "text"])
def test_what_is_like_no_drop_in_is_a_wrong_command_line(
    metrics_importer: MetricsImporter, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "x"
    path.write_text(content)
    assert "not the name of a configuration file" in metrics_importer.run("check", path, code=2).err


def test_a_configuration_file_is_checked_without_its_drop_ins_when_it_is_given(
    metrics_importer: MetricsImporter, site: Site
) -> None:
    site.line("one")
    site.write()
    put(metrics_importer, "searches.d/one.ini", "[Searches]\n" + site.searches["one"])
    put(metrics_importer, "services.d/shop.json", {"shop": SERVICE})
    put(metrics_importer, "graphite.d/carbon.json", CARBON)
    config = put(metrics_importer, "config.json", {"api_call_intervals": 1, "services": {"shop": SERVICE}})
    graphite = put(metrics_importer, "graphite.json", CARBON)
    for path in (site.config, config, graphite):
        assert metrics_importer.run("check", path).out == f"ok {path}\n"
    told = metrics_importer.run("check", code=78).err.splitlines()
    assert [line.split(": ")[-1] for line in told if "too; " in line] == [
        f"is named in {graphite}, too; keep one of them",
        f"is in {site.config}, too; give one of them another name",
        f"is in {config}, too; give one of them another name",
    ]


def test_a_configuration_file_without_anything_of_its_own_is_given_with_its_drop_ins(
    metrics_importer: MetricsImporter, site: Site
) -> None:
    site.line("one")
    put(metrics_importer, "searches.d/one.ini", "[Searches]\n" + site.searches.pop("one"))
    put(metrics_importer, "services.d/shop.json", {"shop": SERVICE})
    site.write()
    config = put(metrics_importer, "config.json", {"api_call_intervals": 1})
    for path in (site.config, config):
        assert metrics_importer.run("check", path).out == f"ok {path}\n"


def test_all_that_is_found_is_checked_together_and_each_file_named(metrics_importer: MetricsImporter) -> None:
    config = metrics_importer.config
    put(metrics_importer, "services.d/shop.json", {"shop": SERVICE})
    put(metrics_importer, "config.json", {"api_call_intervals": 1})
    assert metrics_importer.run("check", "-p", "collectington").out.splitlines() == [
        f"ok {config / 'config.json'}",
        f"ok {config / 'services.d/shop.json'}",
    ]
    put(metrics_importer, "services.d/stock.json", {"stock": SERVICE})
    path = config / "services.d"
    told = f"{path}/stock.json: stock.port: 8000 is the port of shop in {path}/shop.json, too; give each its own\n"
    assert metrics_importer.run("check", "-p", "collectington", code=78).err == told


def test_drop_ins_can_take_the_place_of_a_file_that_every_command_needs(metrics_importer: MetricsImporter) -> None:
    shutil.copytree(ROOT / "etc" / "apteligent-importer", metrics_importer.config, dirs_exist_ok=True)
    (metrics_importer.config / "graphite.json").unlink()
    assert "graphite.json: does not exist" in metrics_importer.run("check", code=78).err
    path = put(metrics_importer, "graphite.d/carbon.json", CARBON)
    assert f"ok {path}\n" in metrics_importer.run("check").out


def test_a_directory_that_cannot_be_read_is_a_mistake(metrics_importer: MetricsImporter) -> None:
    put(metrics_importer, "config.json", {"api_call_intervals": 1, "services": {"shop": SERVICE}})
    loop = metrics_importer.config / "services.d"
    loop.symlink_to(loop)
    assert f"{loop}: cannot be read: " in metrics_importer.run("check", code=78).err


@pytest.mark.parametrize(
    ("name", "key", "told"),
    [
        ("ga", "SERVICE_ACCOUNT", "SERVICE_ACCOUNT: 7 is not text"),
        ("ga-private-key", "PRIVATE_KEY", "PRIVATE_KEY: 7 is not text"),
        ("ga-user", "STORAGE_PATH", "STORAGE_PATH: 7 is not text"),
        ("pingdom-2.0", "app_key", "app_key: a number is not text"),
        ("piwik", "url", "url: 7 is not text"),
        ("webtrends", "password", "password: a number is not text"),
    ],
)
def test_credentials_of_pp_collector_are_known_by_their_keys(
    metrics_importer: MetricsImporter, tmp_path: Path, name: str, key: str, told: str
) -> None:
    path = tmp_path / "pingdom.json"  # whatever its name
    shutil.copy(CREDENTIALS / f"{name}.json", path)
    assert metrics_importer.run("check", path).out == f"ok {path}\n"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: 7}))
    assert f"{path}: {told}" in metrics_importer.run("check", path, code=78).err


def test_credentials_with_a_token_alone_are_right_for_both_that_read_pingdom_json(
    metrics_importer: MetricsImporter, tmp_path: Path
) -> None:
    path = tmp_path / "pingdom.json"
    shutil.copy(CREDENTIALS / "pingdom.json", path)
    assert f"{tmp_path / 'pingdom.token'} does not exist" in metrics_importer.run("check", path, code=78).err
    (tmp_path / "pingdom.token").write_text(TOKEN)
    outcome = metrics_importer.run("check", path)
    assert (outcome.out, outcome.err) == (f"ok {path}\n", "")


def test_a_file_that_all_projects_have_makes_none_of_them_configured(metrics_importer: MetricsImporter) -> None:
    path = put(metrics_importer, "self-metrics.json", {})
    assert "holds no configuration file of collectington" in metrics_importer.run("check", code=78).err
    put(metrics_importer, "config.json", {"api_call_intervals": 1, "services": {"shop": SERVICE}})
    outcome = metrics_importer.run("check")
    assert outcome.out.count(f"ok {path}\n") == 1
    assert outcome.err == ""
