"""metrics-importer outbox: list, retry, drop."""

from collections.abc import Callable
from pathlib import Path

import pytest

from importer.outbox import Outbox
from importer.points import Payload
from tests.cli.metrics_importer.in_process import MetricsImporter
from tests.commands import Commands, Result

A, B = "plain://a.example:2003", "plain://b.example:2003"


def keep(state: Path, *payloads: bytes, lane: str = A, command: str = "livestats") -> None:
    with Outbox(state / f"{command}.outbox", clock=lambda: 1000.0) as outbox, outbox.transaction() as transaction:
        transaction.add(lane, [Payload(data, 3) for data in payloads])


def reject(state: Path, *payloads: bytes, command: str = "livestats") -> None:
    keep(state, *payloads, command=command)
    with Outbox(state / f"{command}.outbox", clock=lambda: 2000.0) as outbox:
        for _ in payloads:
            stored = outbox.oldest(A)
            assert stored is not None
            outbox.reject(stored, f"no {stored.payload.data.decode()} here")


def rejects(state: Path, command: str = "livestats") -> list[int]:
    with Outbox(state / f"{command}.outbox") as outbox:
        return [reject.id for reject in outbox.rejects()]


def waiting(state: Path, lane: str = A, command: str = "livestats") -> int:
    with Outbox(state / f"{command}.outbox") as outbox:
        return sum(state.payloads for state in outbox.lanes() if state.lane == lane)


def test_a_list_of_nothing_says_so(metrics_importer: MetricsImporter) -> None:
    out = metrics_importer.run("outbox", "list").out
    assert out == "Nothing waits to be delivered.\n\nNothing was rejected.\n"


def test_the_list_has_lanes_and_rejects_of_all_commands(metrics_importer: MetricsImporter) -> None:
    reject(metrics_importer.state, b"tea", command="livestats")
    keep(metrics_importer.state, b"12345", b"67", lane=B, command="dailyjobs")
    lines = metrics_importer.run("outbox", "list").out.splitlines()
    assert lines[1].split()[:6] == ["dailyjobs", B, "2", "6", "7", "B"]
    assert lines[1].endswith("not tried yet")
    assert lines[4].split()[:6] == ["livestats", "1", A, "3", "3", "B"]
    assert lines[4].endswith("no tea here")


def test_an_outbox_that_cannot_be_read_does_not_hide_the_others(metrics_importer: MetricsImporter) -> None:
    keep(metrics_importer.state, b"x", command="dailyjobs")
    (metrics_importer.state / "livestats.outbox").write_bytes(b"damaged " * 100)
    outcome = metrics_importer.run("outbox", "list", code=1)
    assert "dailyjobs" in outcome.out
    assert outcome.err.startswith(f"metrics-importer: {metrics_importer.state / 'livestats.outbox'}: ")
    assert outcome.err.count("\n") == 1


def test_a_chosen_reject_is_queued_again_and_the_others_stay(metrics_importer: MetricsImporter) -> None:
    reject(metrics_importer.state, b"1", b"2", b"3")
    out = metrics_importer.run("outbox", "retry", "2", "2").out
    assert out == "livestats: 1 payload queued again; the next run sends them\n"
    assert rejects(metrics_importer.state) == [1, 3]
    assert waiting(metrics_importer.state) == 1


@pytest.mark.parametrize(("action", "waits"), [("retry", 2), ("drop", 0)])
def test_all_means_the_rejects_of_every_outbox(metrics_importer: MetricsImporter, action: str, waits: int) -> None:
    for command in ("dailyjobs", "livestats"):
        reject(metrics_importer.state, b"1", b"2", command=command)
    metrics_importer.run("outbox", action, "--all")
    for command in ("dailyjobs", "livestats"):
        assert rejects(metrics_importer.state, command) == []
        assert waiting(metrics_importer.state, command=command) == waits


def test_all_of_nothing_is_no_failure(metrics_importer: MetricsImporter) -> None:
    keep(metrics_importer.state, b"x")
    assert metrics_importer.run("outbox", "retry", "--all").out == "Nothing was rejected.\n"


def test_chosen_rejects_are_dropped(metrics_importer: MetricsImporter) -> None:
    reject(metrics_importer.state, b"1", b"2", b"3")
    assert metrics_importer.run("outbox", "drop", "1", "3").out == "livestats: 2 rejected payloads dropped\n"
    assert rejects(metrics_importer.state) == [2]
    assert waiting(metrics_importer.state) == 0


def test_an_id_of_two_outboxes_has_to_be_told_apart(metrics_importer: MetricsImporter) -> None:
    for command in ("dailyjobs", "livestats"):
        reject(metrics_importer.state, b"1", command=command)
    assert "dailyjobs, livestats: choose one with -c" in metrics_importer.run("outbox", "drop", "1", code=2).err
    metrics_importer.run("outbox", "drop", "1", "-c", "dailyjobs")
    assert rejects(metrics_importer.state, "dailyjobs") == []
    assert rejects(metrics_importer.state, "livestats") == [1]


def test_an_unknown_id_stops_all_before_anything_is_done(metrics_importer: MetricsImporter) -> None:
    reject(metrics_importer.state, b"1")
    assert "there is no reject 7" in metrics_importer.run("outbox", "drop", "1", "7", code=2).err
    assert rejects(metrics_importer.state) == [1]


def test_what_waits_is_dropped_only_by_a_clear_yes(metrics_importer: MetricsImporter) -> None:
    keep(metrics_importer.state, b"12345", b"67")
    keep(metrics_importer.state, b"x", lane=B)
    command = ("outbox", "drop", "--lane", A)
    assert (
        f"livestats: 2 payloads, 6 points, 7 B wait for {A} and would be lost"
        in metrics_importer.run(*command, code=2).err
    )
    assert waiting(metrics_importer.state) == 2
    assert "dropped 2 payloads, 6 points, 7 B" in metrics_importer.run(*command, "--yes").out
    assert waiting(metrics_importer.state) == 0
    assert waiting(metrics_importer.state, B) == 1


def test_a_lane_of_two_outboxes_has_to_be_told_apart(metrics_importer: MetricsImporter) -> None:
    for command in ("dailyjobs", "livestats"):
        keep(metrics_importer.state, b"x", command=command)
    metrics_importer.run("outbox", "drop", "--lane", A, "--yes", code=2)
    metrics_importer.run("outbox", "drop", "--lane", A, "--yes", "-c", "livestats")
    assert waiting(metrics_importer.state, command="dailyjobs") == 1
    assert waiting(metrics_importer.state, command="livestats") == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("retry",),
        ("drop",),
        ("retry", "1", "--all"),
        ("retry", "one"),
        ("retry", "-1"),
        ("retry", "9" * 30),
        ("drop", "--lane", "nowhere", "--yes"),
        ("drop", "--lane", A, "1"),
        ("drop", "--lane", A, "--all"),
        ("list", "-c", "nobody"),
    ],
)
def test_a_wrong_command_line_is_told_and_changes_nothing(
    metrics_importer: MetricsImporter, arguments: tuple[str, ...]
) -> None:
    reject(metrics_importer.state, b"1")
    keep(metrics_importer.state, b"x")
    assert metrics_importer.run("outbox", *arguments, code=2).err.count("\n") == 1
    assert (rejects(metrics_importer.state), waiting(metrics_importer.state)) == ([1], 1)


def test_a_damaged_outbox_is_one_line(commands: Commands, run_command: Callable[..., Result]) -> None:
    path = commands.state_dir / "livestats.outbox"
    path.write_bytes(b"damaged " * 100)
    result = run_command("metrics-importer", "outbox", "retry", "--all")
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"metrics-importer: {path}: ")
    assert result.stderr.count("\n") == 1
