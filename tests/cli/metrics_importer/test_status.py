"""metrics-importer status, on outboxes of every kind."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.cli.metrics_importer.command_status import CommandStatus
from importer.cli.metrics_importer.projects import OutboxFile
from importer.cli.metrics_importer.status_report import as_text
from importer.outbox import Lane, Outbox, Run
from importer.points import Payload
from tests.cli.metrics_importer.in_process import MetricsImporter
from tests.commands import Commands, Result

CARBON = "plain://carbon.example:2003"


def record(state: Path, command: str = "livestats", *, exit_code: int = 0, message: str = "", at: float = 1000) -> None:
    with Outbox(state / f"{command}.outbox", clock=lambda: at) as outbox:
        outbox.configure([Lane(CARBON, "graphite")])
        outbox.record_run(Run(at, at + 2, exit_code, 270, at - 60, message))


def keep(state: Path, *payloads: bytes, command: str = "livestats", at: float = 1000) -> None:
    with Outbox(state / f"{command}.outbox", clock=lambda: at) as outbox, outbox.transaction() as transaction:
        transaction.add(CARBON, [Payload(data, 3) for data in payloads])


def reject(state: Path, command: str = "livestats", *, reason: str = "not for me") -> None:
    keep(state, b"bad", command=command)
    with Outbox(state / f"{command}.outbox", clock=lambda: 2000.0) as outbox:
        stored = outbox.oldest(CARBON)
        assert stored is not None
        outbox.reject(stored, reason)


def test_no_outbox_is_no_failure(metrics_importer: MetricsImporter) -> None:
    out = metrics_importer.run("status").out
    assert out == f"No command has run yet: there is no outbox ({metrics_importer.state}).\n"


def test_a_state_directory_that_is_not_there_may_hide_an_outbox(
    metrics_importer: MetricsImporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIR", "/nonexistent")
    outcome = metrics_importer.run("status", code=1)
    assert "warning: passed over STATE_DIR=/nonexistent: no such directory" in outcome.err


def test_a_good_run_is_a_row_of_the_table(metrics_importer: MetricsImporter) -> None:
    record(metrics_importer.state)
    header, row = metrics_importer.run("status").out.splitlines()
    assert header.split() == [
        "COMMAND",
        "LAST",
        "RUN",
        "AGE",
        "RESULT",
        "POINTS",
        "LAST",
        "OK",
        "LAG",
        "WAITING",
        "REJECTS",
    ]
    assert row.split()[:2] == ["livestats", "1970-01-01T00:16:40Z"]
    assert " ok " in row
    assert row.split()[-2:] == ["0", "0"]


def test_the_table_is_plain_ascii_without_blanks_at_the_ends(metrics_importer: MetricsImporter) -> None:
    record(metrics_importer.state, exit_code=1, message="host away")
    reject(metrics_importer.state)
    out = metrics_importer.run("status", code=1).out
    assert out.isascii()
    assert all(line == line.rstrip() for line in out.splitlines())


def test_a_failed_run_tells_its_message_and_the_last_success(metrics_importer: MetricsImporter) -> None:
    record(metrics_importer.state, at=1000)
    record(metrics_importer.state, exit_code=1, message="vendor away", at=5000)
    out = metrics_importer.run("status", code=1).out
    assert "exit 1" in out
    assert "livestats: last run failed: vendor away" in out
    (command,) = json.loads(metrics_importer.run("status", "--json", code=1).out)["commands"]
    assert command["last_success"] == "1970-01-01T00:16:42Z"
    assert command["last_run"] == {
        "started": "1970-01-01T01:23:20Z",
        "ended": "1970-01-01T01:23:22Z",
        "exit_code": 1,
        "points": 270,
        "message": "vendor away",
    }


def test_what_waits_for_a_store_that_is_away_is_told_and_is_no_failure(metrics_importer: MetricsImporter) -> None:
    record(metrics_importer.state)
    keep(metrics_importer.state, b"12345", b"678")
    with Outbox(metrics_importer.state / "livestats.outbox") as outbox:
        outbox.note_problem(CARBON, "connection refused")
    out = metrics_importer.run("status").out
    lane = out.splitlines()[-1]
    assert lane.split()[:6] == ["livestats", CARBON, "2", "6", "8", "B"]
    assert lane.endswith("connection refused")


@pytest.mark.parametrize("at", [1e300, -1e300, float("inf")])
def test_a_time_that_no_calendar_has_hides_no_command(metrics_importer: MetricsImporter, at: float) -> None:
    record(metrics_importer.state, "dailyjobs")
    record(metrics_importer.state, "livestats", at=at)
    out = metrics_importer.run("status").out
    assert {line.split()[0] for line in out.splitlines()} >= {"dailyjobs", "livestats"}


def test_a_rejected_payload_needs_a_person(metrics_importer: MetricsImporter) -> None:
    record(metrics_importer.state)
    reject(metrics_importer.state)
    out = metrics_importer.run("status", code=1).out
    assert "livestats: 1 payload rejected; see: metrics-importer outbox list -c livestats" in out


def test_an_outbox_that_was_set_aside_needs_a_person(metrics_importer: MetricsImporter) -> None:
    record(metrics_importer.state)
    aside = metrics_importer.state / "livestats.outbox.damaged-20160503T080500Z"
    aside.write_bytes(b"?")
    Path(f"{aside}-wal").write_bytes(b"?")
    out = metrics_importer.run("status", code=1).out
    assert out.count("damaged-") == 1
    assert f"{aside}: damaged" in out
    (command,) = json.loads(metrics_importer.run("status", "--json", code=1).out)["commands"]
    assert command["damaged_files"] == [str(aside)]


@pytest.mark.parametrize("content", [b"", b"not a database, but longer than a header" * 10])
def test_an_outbox_that_cannot_be_read_does_not_hide_the_others(
    metrics_importer: MetricsImporter, content: bytes
) -> None:
    record(metrics_importer.state, "dailyjobs")
    path = metrics_importer.state / "livestats.outbox"
    path.write_bytes(content)
    outcome = metrics_importer.run("status", code=1)
    assert "unreadable" in outcome.out
    assert f"{path}: " in outcome.out.splitlines()[-1]
    assert any(line.startswith("dailyjobs") and " ok " in line for line in outcome.out.splitlines())
    assert path.read_bytes() == content


def test_json_has_all_documented_keys(metrics_importer: MetricsImporter) -> None:
    record(metrics_importer.state)
    keep(metrics_importer.state, b"12345", at=1500)
    status = json.loads(metrics_importer.run("status", "--json").out)
    assert set(status) == {"time", "healthy", "commands"}
    (command,) = status["commands"]
    assert command["lag_seconds"] > 0
    assert command["waiting"].pop("oldest_age_seconds") > 0
    assert command["waiting"] == {"payloads": 1, "points": 3, "bytes": 5, "oldest": "1970-01-01T00:25:00Z"}
    (lane,) = command.pop("lanes")
    assert lane.pop("oldest_age_seconds") > 0
    assert lane == {
        "lane": CARBON,
        "payloads": 1,
        "points": 3,
        "bytes": 5,
        "oldest": "1970-01-01T00:25:00Z",
        "rejects": 0,
        "problem": "",
    }
    documented = metrics_importer.run("status", "--help").out
    assert all(key in documented for key in (*command, *command["last_run"], *command["waiting"], *lane))


def test_json_of_nothing_is_an_object_too(metrics_importer: MetricsImporter) -> None:
    status = json.loads(metrics_importer.run("status", "--json").out)
    assert (status["healthy"], status["commands"]) == (True, [])


def test_an_outbox_without_runs_is_shown(metrics_importer: MetricsImporter) -> None:
    keep(metrics_importer.state, b"x")
    assert "never" in metrics_importer.run("status").out
    (command,) = json.loads(metrics_importer.run("status", "--json").out)["commands"]
    assert (command["last_run"], command["last_success"], command["lag_seconds"]) == (None, None, None)


def test_the_lane_of_a_reject_is_listed_when_it_is_no_longer_configured(metrics_importer: MetricsImporter) -> None:
    reject(metrics_importer.state)
    with Outbox(metrics_importer.state / "livestats.outbox") as outbox:
        outbox.configure([Lane("dummy", "dummy")])
    (command,) = json.loads(metrics_importer.run("status", "--json", code=1).out)["commands"]
    assert {lane["lane"]: lane["rejects"] for lane in command["lanes"]} == {"dummy": 0, CARBON: 1}


def test_commands_of_several_projects_are_told_apart(tmp_path: Path) -> None:
    statuses = [CommandStatus(OutboxFile(name, "livestats", tmp_path)) for name in ("one", "two")]
    assert [line.split()[0] for line in as_text(statuses, now=0).splitlines()] == ["PROJECT", "one", "two"]


def test_looking_makes_no_file(metrics_importer: MetricsImporter) -> None:
    metrics_importer.run("status")
    assert list(metrics_importer.state.iterdir()) == []


def test_a_project_of_ones_own_has_its_own_directories(commands: Commands, run_command: Callable[..., Result]) -> None:
    cache = commands.home / "cache"
    record(cache, "groupedby")
    result = run_command("metrics-importer", "status", "-p", "mine", env={"STATE_DIR": None})
    assert result.code == 0
    assert "groupedby" in result.stdout
