"""metrics-importer check and status, for the files of stats-service."""

import json
import shutil
from pathlib import Path

import pytest

from importer.outbox import Outbox
from tests.cli.metrics_importer.in_process import MetricsImporter
from tests.commands import ROOT
from tests.events.tokens.old_tokens import GOLDEN

EXAMPLE = ROOT / "etc" / "stats-service" / "stats-service.ini"
HERE = "[app:main]\nstats_service.access.identities = access.json\n"


def write(folder: Path, *lines: str, name: str = "stats-service.ini", users: object = ()) -> Path:
    """Write an INI file and the users file beside it."""
    (folder / "access.json").write_text(json.dumps(list(users) if isinstance(users, tuple) else users))
    path = folder / name
    path.write_text(HERE + "\n".join(lines))
    return path


def test_the_shipped_example_is_without_mistakes_once_there_are_users(metrics_importer: MetricsImporter) -> None:
    shutil.copy(EXAMPLE, metrics_importer.config)
    path = metrics_importer.config / "stats-service.ini"
    users = metrics_importer.config / "access.json"
    assert metrics_importer.run("check", code=78).err.splitlines()[-1] == f"{users}: does not exist"
    shutil.copy(GOLDEN / "access.json", metrics_importer.config)
    outcome = metrics_importer.run("check")
    assert (outcome.out, outcome.err) == (f"ok {path}\nok {users}\n", "")
    assert list(metrics_importer.state.iterdir()) == []


@pytest.mark.parametrize("line", ["stats_service.workers = 2", "kafka.linger.ms: 5", "influxdb.host=db"])
def test_an_ini_file_of_any_name_is_known_by_its_section_and_keys(
    metrics_importer: MetricsImporter, tmp_path: Path, line: str
) -> None:
    path = tmp_path / "production.ini"
    path.write_text(f"[app:main]\n{line}\nstats_service.workers = many\n")
    outcome = metrics_importer.run("check", path, code=78)
    assert f'{path}: [app:main] stats_service.workers: "many" is not a whole number from 1 to 64' in outcome.err


def test_an_ini_file_of_another_application_is_not_ours(metrics_importer: MetricsImporter, tmp_path: Path) -> None:
    path = tmp_path / "production.ini"
    path.write_text("[app:main]\nuse = egg:another\nother.influxdb.host = db\n")
    assert "not the name of a configuration file" in metrics_importer.run("check", path, code=2).err


def test_what_counts_for_nothing_and_who_cannot_log_in_are_warnings(metrics_importer: MetricsImporter) -> None:
    lazy = {"id": "user_1", "username": "ali", "tokens": []}
    path = write(metrics_importer.config, "stats_service.worker = 2", users=[lazy])
    users = path.parent / "access.json"
    outcome = metrics_importer.run("check", path)
    assert outcome.out == f"ok {path}\n"
    assert outcome.err.splitlines() == [
        f"warning: {path}: [app:main] stats_service.worker: is not known, and counts for nothing;"
        ' did you mean "stats_service.workers"?',
        f"warning: {users}: ali: has no token, and cannot log in",
    ]
    assert metrics_importer.run("check", users).err == f"warning: {users}: ali: has no token, and cannot log in\n"


def test_mistakes_in_the_users_file_are_told_without_tokens(metrics_importer: MetricsImporter) -> None:
    path = write(metrics_importer.config, users=[{"id": "1", "tokens": [{"access_token": "hush-0123456789"}]}])
    lines = metrics_importer.run("check", path, code=78).err.splitlines()
    assert [line.partition("access.json: ")[2].partition(":")[0] for line in lines] == [
        "[1].username",
        "[1].tokens[1].access_secret",
    ]
    assert not any("hush" in line for line in lines)


def test_a_token_of_the_environment_needs_no_users_file(
    metrics_importer: MetricsImporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(metrics_importer.config)
    (path.parent / "access.json").unlink()
    monkeypatch.setenv("STATS_ACCESS_TOKEN", "some-token")
    monkeypatch.setenv("STATS_ACCESS_SECRET", "some-secret")
    outcome = metrics_importer.run("check")
    assert outcome.out == f"ok {path}\n"
    assert outcome.err == ""


def test_the_outbox_of_stats_service_is_in_the_status(metrics_importer: MetricsImporter) -> None:
    with Outbox(metrics_importer.state / "stats-service.outbox"):
        pass
    (command,) = json.loads(metrics_importer.run("status", "--json", "-p", "stats-service").out)["commands"]
    assert (command["project"], command["command"]) == ("stats-service", "stats-service")
