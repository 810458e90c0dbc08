"""metrics-importer check, on good and bad configuration files."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from importer.cli.apteligent.files import FILES
from importer.simulators.apteligent import CLIENT_ID, PASSWORD, USERNAME, ApteligentSimulator
from importer.simulators.graphite import GraphiteReceiver
from tests.cli.metrics_importer.in_process import MetricsImporter
from tests.commands import ROOT, Commands, Result
from tests.leexport.site import Site, opened_site

EXAMPLES = ROOT / "etc" / "apteligent-importer"
SEARCHES_EXAMPLE = ROOT / "etc" / "leexportpy" / "config.ini"
PP_COLLECTOR_EXAMPLES = ROOT / "etc" / "pp-collector"
NAMES = [*(file.name for file in FILES), "self-metrics.json"]
SECRET = "hush-0123456789"


@pytest.fixture
def configured(metrics_importer: MetricsImporter) -> MetricsImporter:
    """The command, with the shipped examples as its configuration."""
    shutil.copytree(EXAMPLES, metrics_importer.config, dirs_exist_ok=True)
    return metrics_importer


@pytest.fixture
def vendor() -> Iterator[ApteligentSimulator]:
    with ApteligentSimulator() as simulator:
        yield simulator


@pytest.fixture
def site(metrics_importer: MetricsImporter) -> Iterator[Site]:
    """leexportpy beside the command, with the same configuration directory."""
    home, config = metrics_importer.config.parent, metrics_importer.config
    with opened_site(Commands(home, {"CONFIG_DIR": str(config)})) as site:
        yield site


def write_account(configured: MetricsImporter, **changes: object) -> Path:
    """Write the account, and take away that of Pingdom, whose example leads to the real one."""
    (configured.config / "pingdom.json").unlink(missing_ok=True)
    path = configured.config / "apteligent.json"
    keys = {"username": USERNAME, "password": PASSWORD, "clientID": CLIENT_ID, "metric_root": "apteligent"}
    path.write_text(json.dumps({**keys, "proxies": {}, **changes}))
    return path


def write_destination(configured: MetricsImporter, *descriptions: dict[str, object]) -> Path:
    path = configured.config / "graphite.json"
    path.write_text(json.dumps(list(descriptions)))
    return path


def test_every_shipped_example_is_known_and_without_mistakes(configured: MetricsImporter) -> None:
    outcome = configured.run("check")
    assert outcome.out.splitlines() == [f"ok {configured.config / name}" for name in NAMES]
    assert outcome.err == ""
    assert sorted(NAMES) == sorted(path.name for path in EXAMPLES.iterdir())


def test_each_mistake_is_a_line_and_the_other_files_are_checked(configured: MetricsImporter) -> None:
    (configured.config / "carrier.map").write_text("[NL]\n(?i)KPN KPN\n(oops KPN\nalone\n")
    write_destination(configured, {"protocol": "plain", "host": "carbon", "port": 70000, "colour": "red"})
    outcome = configured.run("check", code=78)
    lines = outcome.err.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        f"{configured.config / 'graphite.json'}",
        f"{configured.config / 'graphite.json'}",
        f"{configured.config / 'carrier.map'}:3",
        f"{configured.config / 'carrier.map'}:4",
    ]
    assert "port" in lines[0]
    assert "colour" in lines[1]
    assert outcome.out.count("ok ") == len(NAMES) - 2


def test_broken_json_is_told_with_its_line(configured: MetricsImporter) -> None:
    path = configured.config / "app_timezones.json"
    path.write_text('{\n  "a": ["Shop", 1]\n  "b": ["Shop", 1]\n}')
    assert configured.run("check", code=78).err.startswith(f"{path}:3: is not JSON")


def test_json_that_is_nested_too_deeply_is_told(configured: MetricsImporter) -> None:
    path = configured.config / "self-metrics.json"
    path.write_text("[" * 100_000)
    assert configured.run("check", path, code=78).err == f"{path}: is nested too deeply\n"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("temporary", ["{}", ".{}.abc123", "{}20161122-1234-abc"])
def test_a_file_is_known_by_the_name_that_its_temporary_name_holds(
    metrics_importer: MetricsImporter, tmp_path: Path, name: str, temporary: str
) -> None:
    path = tmp_path / temporary.format(name)
    shutil.copy(EXAMPLES / name, path)
    assert metrics_importer.run("check", path).out == f"ok {path}\n"
    path.write_text("\xff", encoding="latin-1")
    assert metrics_importer.run("check", path, code=78).err == f"{path}:1: is not UTF-8 text\n"


def test_a_file_of_another_name_is_a_wrong_command_line_and_nothing_is_checked(configured: MetricsImporter) -> None:
    outcome = configured.run("check", configured.config / "graphite.json", "other.json", code=2)
    assert outcome.out == ""
    assert "other.json" in outcome.err
    assert all(name in outcome.err for name in NAMES)


@pytest.mark.parametrize("name", ["searches.conf", "leexport.ini.dpkg-new", "x"])
def test_a_file_of_searches_is_known_by_its_sections_whatever_its_name(
    metrics_importer: MetricsImporter, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    shutil.copy(SEARCHES_EXAMPLE, path)
    assert metrics_importer.run("check", path).out == f"ok {path}\n"
    path.write_text("  [ Searches ]  # none yet\n")
    assert metrics_importer.run("check", path, code=78).err.startswith(f"{path}: [LE]: is missing")
    path.write_text("[Searching]\n[[LE]]\na = [LE]\n")
    assert "known are: " in metrics_importer.run("check", path, code=2).err


@pytest.mark.parametrize(
    ("example", "name"),
    [
        ("performanceplatform.json", "pp.json"),
        ("queries/visits.json", "visits.json"),
        ("queries/pingdom.json", "pingdom.json"),
    ],
)
def test_a_file_of_pp_collector_is_known_by_its_keys_whatever_its_name(
    metrics_importer: MetricsImporter, tmp_path: Path, example: str, name: str
) -> None:
    path = tmp_path / name
    shutil.copy(PP_COLLECTOR_EXAMPLES / example, path)
    assert metrics_importer.run("check", path).out == f"ok {path}\n"
    content = {key: value for key, value in json.loads(path.read_text()).items() if key != "data-set"}
    path.write_text(json.dumps(content | {"destination": {"protocol": "none"}}))
    assert metrics_importer.run("check", path, code=78).err.startswith(f"{path}: d")


def test_a_given_file_that_is_not_there_is_a_mistake(metrics_importer: MetricsImporter) -> None:
    assert metrics_importer.run("check", "graphite.json", code=78).err == "graphite.json: does not exist\n"


def test_an_empty_configuration_directory_is_told_by_what_each_project_would_have_there(
    metrics_importer: MetricsImporter,
) -> None:
    lines = metrics_importer.run("check", code=78).err.splitlines()
    nothing = f"metrics-importer: {metrics_importer.config}: holds no configuration file of"
    assert lines == [
        f"{nothing} apteligent-importer: {', '.join(NAMES)}",
        f"{nothing} leexportpy: config.ini, self-metrics.json",
        f"{nothing} collectington: config.json, self-metrics.json",
        f"{nothing} pp-collector: performanceplatform.json, query.json, credentials.json, self-metrics.json",
        f"{nothing} stats-service: stats-service.ini, access.json, self-metrics.json",
    ]


def test_a_project_that_is_not_configured_is_passed_over(site: Site, metrics_importer: MetricsImporter) -> None:
    site.line("requests")
    site.write()
    outcome = metrics_importer.run("check")
    assert (outcome.out, outcome.err) == (f"ok {site.config}\n", "")


def test_without_a_configuration_directory_the_places_tried_are_told(
    commands: Commands, run_command: Callable[..., Result]
) -> None:
    commands.config_dir.rmdir()  # it would be found as ./config
    result = run_command("metrics-importer", "check", "-p", "nobody-has-this", env={"CONFIG_DIR": None})
    assert result.code == 78
    assert "/etc/nobody-has-this" in result.stderr


def test_a_variable_that_names_no_directory_is_warned_of(
    configured: MetricsImporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFIG_DIR", "/nonexistent")  # ./config is found after it
    assert "warning: passed over CONFIG_DIR=/nonexistent" in configured.run("check").err


def test_a_file_that_one_command_lacks_is_told_and_no_mistake(configured: MetricsImporter) -> None:
    path = configured.config / "carrier.map"
    path.unlink()
    assert f"absent {path}: needed by groupedby\n" in configured.run("check").out


def test_a_file_that_every_command_needs_is_a_mistake_if_it_is_not_there(configured: MetricsImporter) -> None:
    path = configured.config / "graphite.json"
    path.unlink()
    outcome = configured.run("check", code=78)
    assert outcome.err == f"{path}: does not exist; needed by dailyjobs, livestats, groupedby, servicestats, pingdom\n"


def test_pingdom_without_a_token_is_a_warning(configured: MetricsImporter) -> None:
    path = configured.config / "pingdom.json"
    path.write_text(json.dumps({"username": "me", "password": SECRET, "appkey": SECRET}))
    outcome = configured.run("check")
    assert outcome.err.startswith(f"warning: {path}: token: is missing")
    assert SECRET not in outcome.out + outcome.err


def test_mistakes_in_pingdom_json_are_told(configured: MetricsImporter) -> None:
    path = configured.config / "pingdom.json"
    path.write_text(json.dumps({"token": SECRET, "hostname": "ftp://x", "metric_rot": "p"}))
    outcome = configured.run("check", code=78)
    assert f"{path}: hostname: " in outcome.err
    assert f"{path}: metric_rot: " in outcome.err
    assert SECRET not in outcome.err


def test_no_secret_is_shown_however_wrong_the_file_is(configured: MetricsImporter) -> None:
    write_account(configured, hostname=f"http://me:{SECRET}@[", password=[SECRET], clientID={"id": SECRET})
    outcome = configured.run("check", code=78)
    assert outcome.err.count("\n") >= 2
    assert SECRET not in outcome.out + outcome.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look anywhere")
def test_a_directory_that_is_closed_to_the_user_is_told(configured: MetricsImporter) -> None:
    configured.config.chmod(0o600)
    assert "permission denied" in configured.run("check", code=78).err
    configured.config.chmod(0o700)


def test_online_logs_in_and_asks_each_destination(configured: MetricsImporter, vendor: ApteligentSimulator) -> None:
    write_account(configured, hostname=vendor.url)
    with GraphiteReceiver() as carbon:
        write_destination(
            configured, {"protocol": "plain", "host": "127.0.0.1", "port": carbon.port}, {"protocol": "sqlite"}
        )
        out = configured.run("check", "--online").out
        assert not carbon.points
    assert f"ok {vendor.url} answers: logged in, 3 apps\n" in out
    assert f"ok plain://127.0.0.1:{carbon.port} answers\n" in out
    assert f"ok sqlite://{configured.state}/metrics.db will be made\n" in out
    assert list(configured.state.iterdir()) == []


def test_online_tells_what_does_not_answer(configured: MetricsImporter, vendor: ApteligentSimulator) -> None:
    write_account(configured, hostname=vendor.url)
    with GraphiteReceiver() as carbon:
        port = carbon.port
    write_destination(configured, {"protocol": "pickle", "host": "127.0.0.1", "port": port})
    outcome = configured.run("check", "--online", code=1)
    assert outcome.err.startswith(f"pickle://127.0.0.1:{port}: ")
    assert outcome.err.count("\n") == 1
    assert "logged in" in outcome.out


def test_online_a_refused_login_is_told_without_the_password(
    configured: MetricsImporter, vendor: ApteligentSimulator
) -> None:
    write_account(configured, hostname=vendor.url, password=SECRET)
    write_destination(configured, {"protocol": "dummy"})
    outcome = configured.run("check", "--online", code=1)
    assert "login refused" in outcome.err
    assert SECRET not in outcome.out + outcome.err


def test_online_a_token_in_the_cache_hides_no_wrong_password(
    configured: MetricsImporter, vendor: ApteligentSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHE_DIR", str(tmp_path))
    cached = {"access_token": vendor.issue_token(), "expires_in": 86400, "expiration": 4e9}
    (tmp_path / "token.json").write_text(json.dumps(cached))
    write_account(configured, hostname=vendor.url, password=SECRET)
    assert "login refused" in configured.run("check", configured.config / "apteligent.json", "--online", code=1).err


def test_a_mistake_is_graver_than_a_vendor_that_is_away(
    configured: MetricsImporter, vendor: ApteligentSimulator
) -> None:
    write_account(configured, hostname=vendor.url, password=SECRET)
    write_destination(configured, {"protocol": "none"})
    outcome = configured.run("check", "--online", code=78)
    assert "login refused" in outcome.err


def test_puppet_sees_mistakes_of_a_file_alone(commands: Commands, run_command: Callable[..., Result]) -> None:
    path = commands.home / ".graphite.json.x1y2"
    path.write_text('{"protocol": "plain"}')
    result = run_command("metrics-importer", "check", path, env={"CONFIG_DIR": None})
    assert result.code == 78
    assert f"{path}: host: is missing" in result.stderr


def test_the_shipped_example_of_searches_is_without_mistakes_and_nothing_is_asked_for_it(
    metrics_importer: MetricsImporter,
) -> None:
    path = metrics_importer.config / "config.ini"
    shutil.copy(SEARCHES_EXAMPLE, path)
    outcome = metrics_importer.run("check")
    assert (outcome.out, outcome.err) == (f"ok {path}\n", "")


def test_every_mistake_in_every_search_is_a_line(site: Site, metrics_importer: MetricsImporter) -> None:
    site.line("often", period=0)
    site.line("good")
    site.search("lost", {"service": "nowhere"}, window="ten")
    site.write()
    outcome = metrics_importer.run("check", code=78)
    often, lost_range, lost_service = outcome.err.splitlines()
    where = f"{site.config}: [Searches]"
    assert often == f'{where} [[often]] query_period: "0" is not a whole number of 1 or more'
    assert lost_range.startswith(f'{where} [[lost]] query_range: "ten" is not a whole number')
    assert lost_service.startswith(f"{where} [[lost]] service: unknown service nowhere; there are geckoboard, ")
    assert outcome.out == ""


def test_a_file_of_searches_without_a_key_is_a_mistake(site: Site, metrics_importer: MetricsImporter) -> None:
    site.line("requests")
    site.write(account="region = eu")
    outcome = metrics_importer.run("check", code=78)
    assert outcome.err == f"{site.config}: [LE]: no usable key: set rw_api_key, or ro_api_key\n"


def test_a_service_of_ones_own_is_loaded_and_a_broken_one_told(site: Site, metrics_importer: MetricsImporter) -> None:
    services = site.config.parent / "services"
    services.mkdir()
    good = "from leexportpy.service import Service\n\n\nclass MineService(Service):\n    pass\n"
    (services / "mine_service.py").write_text(good)
    (services / "old_service.py").write_text("print 'Python 2'\n")
    site.search("good", {"service": "mine"})
    site.write(head="services_dir = services")
    assert metrics_importer.run("check").out == f"ok {site.config}\n"
    site.search("broken", {"service": "old"})
    site.write(head="services_dir = services")
    outcome = metrics_importer.run("check", code=78)
    assert "[[broken]] service: unknown service old: old_service.py does not import: SyntaxError" in outcome.err


def test_online_asks_the_query_api_and_each_service_without_a_query_or_a_push(
    site: Site, metrics_importer: MetricsImporter
) -> None:
    site.line("requests")
    site.series("web.errors")
    site.write()
    lines = metrics_importer.run("check", "--online").out.splitlines()
    assert len(lines) == 4
    assert lines[1] == f"ok {site.api.base_url} answers, and does not refuse the key"
    assert lines[2].startswith("ok geckoboard: requests: nothing was asked")
    assert lines[3].startswith("ok hosted_graphite: web.errors")
    assert (site.asked(), site.geckoboard.request_count, site.graphite.points) == ([], 0, ())


def test_online_a_refused_key_of_the_query_api_or_of_a_service_is_told_without_it(
    site: Site, metrics_importer: MetricsImporter
) -> None:
    site.series("web.errors")
    site.write()
    site.api.api_key = site.graphite.api_key = "another"
    outcome = metrics_importer.run("check", "--online", code=1)
    api, graphite = outcome.err.splitlines()
    assert "HTTP 401" in api
    assert "rw_api_key" in api
    assert graphite.startswith("hosted_graphite: web.errors: ")
    assert "api_key" in graphite
    assert not any(key in outcome.out + outcome.err for key in site.keys)
