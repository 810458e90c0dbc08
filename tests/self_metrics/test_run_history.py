"""What an outbox remembers of runs: one by one, and all together."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from importer import credentials
from importer.outbox import Details, Lane, Outbox, Run
from importer.outbox_view import OutboxView, Totals
from importer.run_history import FORGOTTEN_AFTER_SECONDS, KEPT_FAILURES, KEPT_RUNS
from tests.outbox_file.outbox_files import PAGE_BYTES, make_older

NOW = 1_462_147_200.0
DETAILS = Details(
    count=3,
    failed=1,
    busy_seconds=4.5,
    requests={"200": 7, "429": 1},
    rate_limit_remaining=0,
    failures=("not obtained: dau", "not obtained: mau"),
    newest={"liveStats": NOW - 60},
)
RUN = Run(NOW, NOW + 5, 1, 270, NOW - 60, "not obtained: dau (and 1 more, see the log)", DETAILS)


def test_a_run_comes_back_with_all_its_details(tmp_path: Path) -> None:
    path = tmp_path / "livestats.outbox"
    with Outbox(path) as outbox:
        outbox.record_run(RUN)
        outbox.record_run(Run(NOW, NOW, 0, 0, None, ""))
    with OutboxView.open(path) as view:
        assert view.runs() == [Run(NOW, NOW, 0, 0, None, ""), RUN]


def test_totals_are_of_all_runs_and_not_of_those_alone_that_are_remembered() -> None:
    with Outbox(None) as outbox:
        for _ in range(KEPT_RUNS + 5):
            outbox.record_run(RUN)
        totals, kept = outbox.totals(), len(outbox.runs())
    runs = KEPT_RUNS + 5
    assert kept == KEPT_RUNS
    assert totals == Totals(
        runs * 3, runs, runs * 270, runs * 4.5, {"200": runs * 7, "429": runs}, NOW - 60, {"liveStats": NOW - 60}
    )


def test_a_run_without_details_counts_as_one_of_its_own_length() -> None:
    with Outbox(None) as outbox:
        outbox.record_run(Run(NOW, NOW + 2, 0, 5, None, ""))
        outbox.record_run(Run(NOW, NOW + 3, 1, 1, None, "failed"))
        outbox.record_run(Run(NOW, NOW - 3600, 0, 0, None, ""))  # the clock was set back meanwhile
        assert outbox.totals() == Totals(3, 1, 6, 5.0)


def test_an_older_point_does_not_make_the_newest_one_older() -> None:
    with Outbox(None) as outbox:
        outbox.record_run(RUN)
        outbox.record_run(replace(RUN, newest=NOW - 3600, details=Details(newest={"liveStats": NOW - 3600})))
        assert (outbox.totals().newest, outbox.totals().newest_by_source) == (NOW - 60, {"liveStats": NOW - 60})


def test_a_point_of_a_clock_that_was_wrong_is_not_the_newest_for_ever() -> None:
    future = NOW + 400 * 86400
    wrong = Run(future, future, 0, 1, future, "", Details(newest={"liveStats": future}))
    with Outbox(None) as outbox:
        outbox.record_run(wrong)
        assert outbox.totals().newest == future
        outbox.record_run(RUN)
        assert (outbox.totals().newest, outbox.totals().newest_by_source) == (NOW - 60, {"liveStats": NOW - 60})


def test_a_source_that_has_brought_nothing_for_long_is_forgotten_and_the_command_is_not() -> None:
    later = NOW + FORGOTTEN_AFTER_SECONDS
    with Outbox(None) as outbox:
        outbox.record_run(RUN)
        outbox.record_run(Run(later, later, 0, 0, None, "", Details(newest={"daily": later})))
        assert outbox.totals().newest_by_source == {"daily": later}
        assert outbox.totals().newest == NOW - 60


def test_what_may_wait_for_a_destination_is_known_as_it_was_configured_last() -> None:
    with Outbox(None) as outbox:
        outbox.configure([Lane("plain://a:2003", "graphite", 1000), Lane("plain://b:2003", "graphite", 2000)])
        outbox.record_run(RUN)
        assert outbox.totals().max_bytes == {"plain://a:2003": 1000, "plain://b:2003": 2000}
        outbox.configure([Lane("plain://b:2003", "graphite", 3000)])
        outbox.record_run(RUN)
        assert outbox.totals().max_bytes == {"plain://b:2003": 3000}


def test_failures_are_few_short_lines_without_secrets() -> None:
    credentials.register("s3cret-token")
    failures = [f"{number}: no s3cret-token\nwas {'x' * 600}" for number in range(KEPT_FAILURES + 5)]
    with Outbox(None) as outbox:
        outbox.record_run(replace(RUN, details=Details(failures=failures)))
        kept = outbox.runs()[0].details.failures
    assert len(kept) == KEPT_FAILURES
    assert all(line.startswith(f"{number}: no *** was x") for number, line in enumerate(kept))
    assert {len(line) for line in kept} == {500}


def test_an_outbox_of_a_former_version_is_read_without_details_and_goes_on_with_them(tmp_path: Path) -> None:
    path = tmp_path / "livestats.outbox"
    with Outbox(path) as outbox:
        outbox.record_run(RUN)
    make_older(path, 3)
    plain = replace(RUN, details=Details())
    with OutboxView.open(path) as view:
        assert (view.runs(), view.totals()) == ([plain], Totals())
    with Outbox(path) as outbox:
        outbox.record_run(RUN)
        assert (outbox.runs(), outbox.totals().runs) == ([RUN, plain], 3)


def test_what_a_later_version_adds_to_the_details_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "livestats.outbox"
    with Outbox(path) as outbox:
        outbox.record_run(RUN)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("""UPDATE runs SET details = '{"count": 2, "invented": 1}'""")
        connection.commit()
    with OutboxView.open(path) as view:
        assert view.runs()[0].details == Details(count=2)


@pytest.mark.parametrize("details", ["", "{", "[1]", "9" * 5000, "[" * 100_000, '{"failures": null, "count": "x"}'])
def test_details_that_cannot_be_read_hide_no_run(details: str, tmp_path: Path) -> None:
    path = tmp_path / "livestats.outbox"
    with Outbox(path) as outbox:
        outbox.record_run(RUN)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE runs SET details = ?", (details,))
        connection.commit()
    with OutboxView.open(path) as view:
        assert view.runs() == [replace(RUN, details=Details())]


def spoil(path: Path, table: str) -> None:
    """Overwrite the page that a table or index begins with."""
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(b"x" * PAGE_BYTES)


@pytest.mark.parametrize("version", [3, 4])
def test_what_is_saved_from_a_damaged_outbox_goes_on_counting(tmp_path: Path, version: int) -> None:
    path = tmp_path / "livestats.outbox"
    with Outbox(path) as outbox:
        outbox.record_run(RUN)
    if version == 3:
        make_older(path, 3)
    spoil(path, "payloads_by_lane")
    with Outbox(path) as outbox:
        assert "damaged" in outbox.damage
        outbox.record_run(Run(NOW, NOW, 0, 0, None, ""))
        assert outbox.totals().runs == (1 if version == 3 else 4)
