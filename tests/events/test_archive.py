"""Accepted events are kept with different rising times, found by id, listed, counted, and forgotten in time."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from importer.errors import OutboxFull
from importer.events import archive, own_times
from importer.events.archive_view import ArchiveView, Query
from importer.events.event import EVENTS_FORMAT, Event, read_events
from importer.events.posted import Draft, parse_post
from importer.outbox import Lane, Outbox

LANE = "influxdb-events://store"
NOW = 1_795_307_635_738_123_456
MINUTE = NOW // (60 * 10**9)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "stats-service.outbox") as outbox:
        outbox.configure([Lane(LANE, "influxdb-events")])
        archive.create(outbox)
        yield outbox


@pytest.fixture
def view(outbox: Outbox) -> Iterator[ArchiveView]:
    assert outbox.path is not None
    view = ArchiveView(outbox.path)
    yield view
    view.close()


def event(**members: object) -> Draft:
    (draft,) = parse_post(json.dumps({"event": "e", "uid": "u"} | members).encode(), clock=lambda: NOW / 1e9).drafts
    return draft


def point(**members: object) -> Draft:
    (draft,) = parse_post(json.dumps([{"measurement": "m", "fields": {"v": 1}} | members]).encode()).drafts
    return draft


def accept(outbox: Outbox, *drafts: Draft, now: int = NOW) -> None:
    with outbox.transaction() as transaction:
        archive.accept(transaction, drafts, [LANE], clock_ns=lambda: now)


def queued(outbox: Outbox) -> list[Event]:
    waiting = outbox.next_payloads(LANE, points=10**6)
    assert {stored.payload.format for stored in waiting} <= {EVENTS_FORMAT}
    return [event for stored in waiting for event in read_events(stored.payload.data)]


def counted(outbox: Outbox, view: ArchiveView) -> list[tuple[int, str, int]]:
    archive.count(outbox)
    return view.counts(0)


def test_events_are_kept_and_queued_with_different_times(outbox: Outbox, view: ArchiveView) -> None:
    accept(outbox, event(event_id="a", qty=3), event(event_id="b"), point())
    first, second, third = queued(outbox)
    assert [each.time for each in (first, second, third)] == [NOW, NOW + 1, NOW + 2]
    assert (first.event_id, second.event_id, third.measurement) == ("a", "b", "m")
    assert first.fields == {"event": "e", "uid": "u", "event_id": "a", "qty": 3, "now": NOW / 1e9}
    assert view.find("A ") == {"time": "2026-11-22T00:33:55.738123456Z", **first.fields}
    assert view.find("c") is None
    assert view.total() == 3


def test_times_rise_from_commit_to_commit_whatever_the_clock_does(outbox: Outbox) -> None:
    for now in (NOW, NOW, NOW - 10**12, NOW + 5):
        accept(outbox, event(), event(), now=now)
    times = [each.time for each in queued(outbox)]
    assert times == [NOW, NOW + 1, NOW + 2, NOW + 3, NOW + 4, NOW + 5, NOW + 6, NOW + 7]


def test_many_processes_give_out_no_time_twice(outbox: Outbox, tmp_path: Path) -> None:
    ready = threading.Barrier(4)

    def work(_: int) -> None:
        with Outbox(tmp_path / "stats-service.outbox") as own:
            ready.wait()
            for _ in range(25):
                accept(own, *[event() for _ in range(7)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    times = [each.time for each in queued(outbox)]
    assert times == sorted(set(times))
    assert len(times) == 700


@pytest.mark.parametrize("together", [True, False])
def test_a_repeat_changes_nothing(outbox: Outbox, view: ArchiveView, *, together: bool) -> None:
    one, other = event(event_id="Mine", qty=1), event(event_id="mine", qty=1)
    other.content = other.content.replace(b'"mine"', b'"Mine"').replace(b'"now":', b'"now":1')
    if together:
        accept(outbox, one, other)
    else:
        accept(outbox, one)
        accept(outbox, other, now=NOW + 10**9)
    assert len(queued(outbox)) == view.total() == 1
    assert counted(outbox, view) == [(MINUTE, "e", 1)]


@pytest.mark.parametrize("together", [True, False])
def test_another_event_of_the_same_id_takes_the_place_and_the_time(
    outbox: Outbox, view: ArchiveView, *, together: bool
) -> None:
    one, other = event(event_id="mine", qty=1), event(event_id="mine", qty=2)
    if together:
        accept(outbox, one, other)
    else:
        accept(outbox, one)
        accept(outbox, other, now=NOW + 10**9)
    found = view.find("mine")
    assert found is not None
    assert (found["qty"], view.total()) == (2, 1)
    assert {each.time for each in queued(outbox)} == {NOW}
    assert queued(outbox)[-1].fields["qty"] == 2
    assert counted(outbox, view) == [(MINUTE, "e", 1)]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("former", [{}, {"time": (NOW - 10**15) / 10**9}, {"time": NOW + 500}])
def test_an_event_whose_time_is_corrected_has_that_time(
    outbox: Outbox, view: ArchiveView, former: dict[str, object], *, together: bool
) -> None:
    drafts = event(event_id="a", **former), event(event_id="a", time=NOW + 5)
    for group in [drafts] if together else [[draft] for draft in drafts]:
        accept(outbox, *group)
    assert times_of(outbox, "a")[-1] == (NOW + 5) % 10**9
    found = view.find("a")
    assert found is not None
    assert found["time"] == "2026-11-22T00:33:55.738123461Z"
    assert view.total() == 1
    accept(outbox, event(event_id="a", time=NOW + 5))
    accept(outbox, event(event_id="a"))  # says nothing of a time
    assert times_of(outbox, "a")[-1] == (NOW + 5) % 10**9


def test_an_event_that_was_set_apart_and_comes_again_is_a_repeat(outbox: Outbox) -> None:
    for _ in range(2):
        accept(outbox, event(event_id="a", time=5 * 10**17), event(event_id="b", time=5 * 10**17))
    assert (times_of(outbox, "a"), times_of(outbox, "b")) == ([0], [1])


def test_an_event_in_the_place_of_one_that_was_counted_is_counted_too(outbox: Outbox, view: ArchiveView) -> None:
    for qty in (1, 2, 2):
        accept(outbox, event(event_id="mine", qty=qty))
        archive.count(outbox)
    assert view.counts(0) == [(MINUTE, "e", 2)]


def test_an_event_in_the_place_of_another_is_forgotten_when_its_own_time_has_come(
    outbox: Outbox, view: ArchiveView
) -> None:
    accept(outbox, event(event_id="mine", qty=1))
    accept(outbox, event(event_id="mine", qty=2), now=NOW + 10**9)
    assert archive.prune(outbox, before_ns=NOW + 10**9) == 0
    found = view.find("mine")
    assert found is not None
    assert (found["qty"], found["time"]) == (2, "2026-11-22T00:33:55.738123456Z")
    assert archive.prune(outbox, before_ns=NOW + 10**9 + 1) == 1


def test_an_own_now_that_is_another_makes_another_event(outbox: Outbox) -> None:
    accept(outbox, event(event_id="mine", now=1), event(event_id="mine", now=2))
    assert [each.fields["now"] for each in queued(outbox)] == [2]


def test_events_that_bring_the_same_time_are_set_apart(outbox: Outbox, view: ArchiveView) -> None:
    accept(outbox, *[event(event_id=f"a{number}", time=1461587388) for number in range(3)])
    accept(outbox, *[event(event_id=f"b{number}", time=1461587388) for number in range(3)])
    times = sorted(each.time - 1461587388 * 10**9 for each in queued(outbox))
    assert times == [0, 1, 2, 3, 4, 5]
    assert view.recent(Query())[0]["time"] == "2016-04-25T12:29:48.000000005Z"


def test_events_that_come_together_are_not_set_behind_those_of_later_times(outbox: Outbox) -> None:
    seconds = [1461587388, 1461587399, 1461587388, 1461587399]
    accept(outbox, *[event(event_id=f"a{number}", time=second) for number, second in enumerate(seconds)])
    times = sorted(each.time for each in queued(outbox))
    assert times == sorted(second * 10**9 + number // 2 for number, second in enumerate(seconds))


def test_points_keep_the_time_that_they_bring(outbox: Outbox) -> None:
    accept(outbox, point(time=1461587388), point(time=1461587388))
    assert [each.time for each in queued(outbox)] == [1461587388 * 10**9] * 2


def test_a_full_lane_keeps_nothing(outbox: Outbox, view: ArchiveView) -> None:
    outbox.configure([Lane(LANE, "influxdb-events", max_bytes=300)])
    accept(outbox, event())
    with pytest.raises(OutboxFull):
        accept(outbox, *[event() for _ in range(10)])
    assert view.total() == len(queued(outbox)) == 1
    assert counted(outbox, view) == [(MINUTE, "e", 1)]


def test_thousands_are_accepted_at_once(outbox: Outbox, view: ArchiveView) -> None:
    accept(outbox, *[event(event_id=f"id-{number}") for number in range(1_337)])
    assert view.total() == 1_337
    assert [each.event_id for each in queued(outbox)] == [f"id-{number}" for number in range(1_337)]


# ---- lists and counts


def test_the_newest_events_are_listed_first_by_what_is_asked(outbox: Outbox, view: ArchiveView) -> None:
    accept(outbox, event(event_id="1"), event(event_id="2", uid="other"), event(event_id="3", event="view"), point())

    def listed(query: Query) -> list[object]:
        return [found.get("event_id") or found.get("measurement") for found in view.recent(query)]

    assert listed(Query()) == ["m", "3", "2", "1"]
    assert listed(Query(uid="u")) == ["3", "1"]
    assert listed(Query(uid="u", event="e")) == ["1"]
    assert listed(Query(event="m")) == ["m"]
    assert listed(Query(from_ns=NOW + 1, to_ns=NOW + 3)) == ["3", "2"]
    assert listed(Query(limit=2)) == ["m", "3"]
    assert view.recent(Query(event="m"))[0] == {
        "time": "2026-11-22T00:33:55.738123459Z",
        "measurement": "m",
        "tags": {},
        "fields": {"v": 1},
    }


def test_events_are_counted_by_minute_and_name(outbox: Outbox, view: ArchiveView) -> None:
    accept(outbox, event(), event(), point())
    archive.count(outbox)
    accept(outbox, event(event="view"), now=NOW + 60 * 10**9)
    for counted_now in (1, 0):
        assert len(view.counts(MINUTE)) == 3
        assert archive.count(outbox) == counted_now
    assert view.counts(MINUTE) == [(MINUTE, "e", 2), (MINUTE, "m", 1), (MINUTE + 1, "view", 1)]
    assert view.counts(MINUTE + 1) == [(MINUTE + 1, "view", 1)]
    archive.prune_counts(outbox, before_ns=NOW + 60 * 10**9)
    assert view.counts(0) == [(MINUTE + 1, "view", 1)]


# ---- forgetting


def test_events_are_forgotten_a_few_at_once(outbox: Outbox, view: ArchiveView) -> None:
    accept(outbox, *[event() for _ in range(5)])
    assert archive.prune(outbox, before_ns=NOW + 3, rows=2) == 2
    assert archive.prune(outbox, before_ns=NOW + 3, rows=2) == 1
    assert view.total() == 2


def times_of(outbox: Outbox, event_id: str) -> list[int]:
    """Return the times with which an event was queued, beside the whole second that it brought."""
    return [each.time % 10**9 for each in queued(outbox) if each.event_id == event_id]


def test_an_own_time_stays_taken_when_its_event_is_forgotten(outbox: Outbox, view: ArchiveView) -> None:
    accept(outbox, event(event_id="a", time=1461587388), event(event_id="b", time=1461587388), event(), point())
    assert archive.prune(outbox, before_ns=NOW + 4, rows=500) == 4
    accept(outbox, event(event_id="c", time=1461587388), event(event_id="d", time=1461587389))
    accept(outbox, event(time=1461587388))
    assert [times_of(outbox, name) for name in "abcd"] == [[0], [1], [2], [0]]
    assert sorted(each.time for each in queued(outbox))[3] == 1461587388 * 10**9 + 3
    assert view.total() == 3


def test_a_forgotten_event_that_comes_again_has_the_time_that_it_had(outbox: Outbox) -> None:
    for hour in range(3):
        now = NOW + hour * 3600 * 10**9
        accept(outbox, *[event(event_id=name, time=1461587388) for name in ("ba" if hour == 2 else "ab")], now=now)
        archive.prune(outbox, before_ns=now + 2)
    assert [times_of(outbox, name) for name in "ab"] == [[0] * 3, [1] * 3]


def test_own_times_are_forgotten_a_few_at_once(outbox: Outbox) -> None:
    accept(outbox, *[event(event_id=f"a{number}", time=1461587388) for number in range(3)])
    archive.prune(outbox, before_ns=NOW + 3)
    assert [own_times.prune(outbox, before_ns=NOW + 3, rows=2) for _ in range(3)] == [2, 1, 0]
    accept(outbox, event(event_id="b", time=1461587388))
    assert times_of(outbox, "b") == [0]


def test_an_event_without_a_time_and_an_id_of_its_own_asks_for_nothing(outbox: Outbox) -> None:
    statements: list[str] = []
    outbox._connection.set_trace_callback(statements.append)
    accept(outbox, event(), event())
    outbox._connection.set_trace_callback(None)
    assert len([statement for statement in statements if "INSERT OR REPLACE INTO events" in statement]) == 1
    assert not [statement for statement in statements if "FROM events" in statement or "own_times" in statement]


def test_what_is_newest_is_found_while_another_process_writes(outbox: Outbox, tmp_path: Path) -> None:
    accept(outbox, event())
    archive.count(outbox)
    with Outbox(tmp_path / "stats-service.outbox") as other, other.transaction():
        assert archive.bound_of_newest(outbox, 1) == MINUTE * 60 * 10**9


def test_the_time_that_so_many_events_are_newer_than_is_known_by_the_minute(outbox: Outbox) -> None:
    assert archive.bound_of_newest(outbox, 1) == 0
    for minute in range(3):
        accept(outbox, event(), event(), now=NOW + minute * 60 * 10**9)
    archive.count(outbox)
    assert archive.bound_of_newest(outbox, 3) == (MINUTE + 1) * 60 * 10**9
    assert archive.bound_of_newest(outbox, 6) == MINUTE * 60 * 10**9
    assert archive.bound_of_newest(outbox, 7) == 0


# ---- a damaged file


def test_of_a_damaged_file_the_events_are_saved(tmp_path: Path) -> None:
    path = tmp_path / "stats-service.outbox"
    with Outbox(path) as outbox:
        archive.create(outbox)
        for number in range(50):
            accept(outbox, *[event(event_id=f"id-{number}-{each}", text="x" * 500) for each in range(20)])
        archive.count(outbox)
        page = root_page(outbox, "events_by_key")
    overwrite(path, page)
    with Outbox(path) as outbox:
        assert "of its own tables what could be read: event_counts 1, events 1000, own_times 0" in outbox.damage
        assert "asked" not in outbox.damage
        archive.create(outbox)
        archive.count(outbox)
        view = ArchiveView(path)
        assert view.total() == 1000
        assert view.find("id-49-19") is not None
        assert sum(events for _, _, events in view.counts(0)) == 1000
        accept(outbox, event(event_id="id-0-0", text="x" * 500))
        assert view.total() == 1000
        view.close()


def root_page(outbox: Outbox, table: str) -> int:
    with outbox.transaction() as transaction:
        (root,) = transaction.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", table).fetchone()
    return int(root)


def overwrite(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)


@pytest.mark.parametrize(
    ("damaged", "kept"),
    [
        pytest.param("payloads", NOW + 1, id="payloads are lost, cursors are read"),
        pytest.param("cursors", NOW + 2, id="cursors are lost"),
    ],
)
def test_after_a_damage_events_that_are_nowhere_else_are_known_as_such(tmp_path: Path, damaged: str, kept: int) -> None:
    path = tmp_path / "stats-service.outbox"
    with Outbox(path) as outbox:
        archive.create(outbox)
        assert archive.embedded_until(outbox) == 0
        with outbox.transaction() as transaction:
            archive.accept(transaction, [event(), event()], [], clock_ns=lambda: NOW)
        accept(outbox, event(event_id="delivered"))
        page = root_page(outbox, damaged)
    overwrite(path, page)
    with Outbox(path) as outbox:
        assert "events 3" in outbox.damage
        archive.create(outbox)
        assert archive.embedded_until(outbox) == kept
        accept(outbox, event(event_id="next"))
        view = ArchiveView(path)
        assert view.total() == 4
        view.close()
