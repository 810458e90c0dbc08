"""The outbox does the same in memory and on disk."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from importer.errors import OutboxError, OutboxFull
from importer.outbox import KEPT_RUNS, Lane, LaneState, Outbox, Run, Stored
from importer.points import Payload
from tests.doubles import FakeClock

A, B, C = "memory://a", "memory://b", "memory://c"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "disk"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Outbox]:
    path = tmp_path / "outbox.db" if request.param == "disk" else None
    with Outbox(path, clock=clock) as outbox:
        yield outbox


def add(outbox: Outbox, lane: str, *payloads: bytes | Payload) -> None:
    with outbox.transaction() as transaction:
        transaction.add(lane, [data if isinstance(data, Payload) else Payload(data, 2) for data in payloads])


def state(data: bytes, key: str = "widget") -> Payload:
    return Payload(data, 1, replace_key=key)


def next_in(outbox: Outbox, lane: str) -> Stored:
    stored = outbox.oldest(lane)
    assert stored is not None
    return stored


def drain(outbox: Outbox, lane: str) -> list[bytes]:
    taken = []
    while (stored := outbox.oldest(lane)) is not None:
        outbox.delivered(stored)
        taken.append(stored.payload.data)
    return taken


def totals(outbox: Outbox) -> dict[str, tuple[int, int, int]]:
    return {lane.lane: (lane.payloads, lane.points, lane.bytes) for lane in outbox.lanes()}


def lane_state(outbox: Outbox, lane: str) -> LaneState:
    return next(each for each in outbox.lanes() if each.lane == lane)


def reject_all(outbox: Outbox, lane: str, *, reason: str = "bad") -> None:
    while (stored := outbox.oldest(lane)) is not None:
        outbox.reject(stored, reason)


def configure(outbox: Outbox, *lanes: str, family: str = "memory") -> None:
    outbox.configure(Lane(lane, family) for lane in lanes)


def test_a_new_outbox_is_empty(outbox: Outbox) -> None:
    assert (outbox.damage, outbox.cursors(), outbox.lanes(), outbox.rejects(), outbox.runs()) == ("", {}, [], [], [])
    assert outbox.oldest(A) is None
    assert outbox.newest_id(A) == 0


def test_payloads_come_back_as_they_were_added(outbox: Outbox, clock: FakeClock) -> None:
    payload = Payload(bytes(range(256)), 7, "pickle", "key")
    add(outbox, A, payload)
    stored = next_in(outbox, A)
    assert (stored.payload, stored.lane, stored.created) == (payload, A, clock.now)


def test_a_transaction_keeps_payloads_and_cursors_together(outbox: Outbox) -> None:
    with outbox.transaction() as transaction:
        transaction.add(A, [Payload(b"1", 3)])
        assert transaction.cursor("day") is None
        transaction.move_cursor("day", 5)
        transaction.move_cursor("day", 6)
        assert transaction.cursor("day") == 6
    assert outbox.cursors() == {"day": 6}
    assert totals(outbox) == {A: (1, 3, 1)}


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()])
def test_a_block_that_raises_leaves_neither_payload_nor_cursor(outbox: Outbox, error: BaseException) -> None:
    add(outbox, A, b"before")

    def import_and_fail() -> None:
        with outbox.transaction() as transaction:
            transaction.add(A, [Payload(b"1", 1)])
            transaction.add(B, [Payload(b"1", 1)])
            transaction.move_cursor("day", 5)
            raise error

    with pytest.raises(type(error)):
        import_and_fail()
    assert outbox.cursors() == {}
    assert totals(outbox) == {A: (1, 2, 6)}
    add(outbox, A, b"after")
    assert drain(outbox, A) == [b"before", b"after"]


def test_a_full_lane_undoes_the_whole_transaction(outbox: Outbox) -> None:
    outbox.configure([Lane(A, "memory", max_bytes=10), Lane(B, "memory")])
    add(outbox, A, b"12345", b"67890")

    def overfill() -> None:
        with outbox.transaction() as transaction:
            transaction.move_cursor("day", 5)
            transaction.add(B, [Payload(b"for the other", 1)])
            transaction.add(A, [Payload(b"x", 1)])

    with pytest.raises(OutboxFull, match=f"{A} is full.*outbox_max_bytes is 10"):
        overfill()
    assert outbox.cursors() == {}
    assert totals(outbox) == {A: (2, 4, 10), B: (0, 0, 0)}


def test_a_full_lane_takes_payloads_again_once_some_were_delivered(outbox: Outbox) -> None:
    outbox.configure([Lane(A, "memory", max_bytes=10)])
    add(outbox, A, b"12345", b"67890")
    with pytest.raises(OutboxFull):
        add(outbox, A, b"x")
    outbox.delivered(next_in(outbox, A))
    add(outbox, A, b"x")
    assert drain(outbox, A) == [b"67890", b"x"]


def test_a_state_may_be_replaced_in_a_full_lane(outbox: Outbox) -> None:
    outbox.configure([Lane(A, "memory", max_bytes=10)])
    add(outbox, A, state(b"1234567890"))
    add(outbox, A, state(b"0987654321"))
    assert drain(outbox, A) == [b"0987654321"]


def test_a_caught_error_of_one_transaction_does_not_touch_the_next(outbox: Outbox) -> None:
    outbox.configure([Lane(A, "memory", max_bytes=1)])
    with pytest.raises(OutboxFull):
        add(outbox, A, b"too long")
    with outbox.transaction() as transaction:
        transaction.move_cursor("day", 1)
    assert outbox.cursors() == {"day": 1}


def test_a_lane_is_first_in_first_out(outbox: Outbox) -> None:
    expected = [b"%d" % number for number in range(20)]
    for pair in zip(expected[::2], expected[1::2], strict=True):
        add(outbox, A, *pair)
    assert drain(outbox, A) == expected


def test_order_does_not_depend_on_the_clock(outbox: Outbox, clock: FakeClock) -> None:
    for data in (b"1", b"2", b"3"):
        add(outbox, A, data)
        clock.now -= 86400
    assert lane_state(outbox, A).oldest == clock.now + 3 * 86400
    assert drain(outbox, A) == [b"1", b"2", b"3"]


def test_lanes_do_not_see_each_other(outbox: Outbox) -> None:
    add(outbox, A, b"a1", b"a2")
    add(outbox, B, b"b1")
    outbox.delivered(next_in(outbox, A))
    outbox.reject(next_in(outbox, B), "bad")
    assert totals(outbox) == {A: (1, 2, 2), B: (0, 0, 0)}
    assert drain(outbox, A) == [b"a2"]


def test_an_id_is_never_used_again(outbox: Outbox) -> None:
    """Or the delivery of a former payload would take away a later one."""
    add(outbox, A, b"1")
    former = next_in(outbox, A)
    outbox.delivered(former)
    add(outbox, A, b"2")
    outbox.delivered(former)
    assert outbox.newest_id(A) > former.id
    assert drain(outbox, A) == [b"2"]


def test_a_newer_state_replaces_the_older_one_and_goes_to_the_end(outbox: Outbox) -> None:
    add(outbox, A, state(b"old"), b"plain", state(b"other", "other key"))
    add(outbox, B, state(b"other lane"))
    add(outbox, A, state(b"new"))
    assert totals(outbox) == {A: (3, 4, 13), B: (1, 1, 10)}
    assert drain(outbox, A) == [b"plain", b"other", b"new"]


def test_of_states_added_together_the_last_is_kept(outbox: Outbox) -> None:
    add(outbox, A, state(b"1"), state(b"2"), state(b"3"))
    assert drain(outbox, A) == [b"3"]


@pytest.mark.parametrize("outcome", [Outbox.delivered, lambda outbox, stored: outbox.reject(stored, "bad")])
def test_a_state_replaced_while_it_is_delivered_leaves_the_newer_one(
    outbox: Outbox, outcome: Callable[[Outbox, Stored], None]
) -> None:
    add(outbox, A, state(b"old"))
    in_hand = next_in(outbox, A)
    add(outbox, A, state(b"new"))
    outcome(outbox, in_hand)
    assert outbox.rejects() == []
    assert drain(outbox, A) == [b"new"]


def test_an_undone_transaction_leaves_the_older_state(outbox: Outbox) -> None:
    outbox.configure([Lane(A, "memory", max_bytes=5)])
    add(outbox, A, state(b"old"))
    with pytest.raises(OutboxFull):
        add(outbox, A, state(b"too long"))
    assert drain(outbox, A) == [b"old"]


def test_rejects_are_listed_with_their_reason_in_one_line(outbox: Outbox, clock: FakeClock) -> None:
    add(outbox, A, b"123", b"good")
    clock.now += 60
    outbox.reject(next_in(outbox, A), "400:\n  no such\x1b field")
    (reject,) = outbox.rejects()
    assert (reject.lane, reject.points, reject.bytes, reject.reason) == (A, 2, 3, "400: no such field")
    assert (reject.created, reject.rejected) == (clock.now - 60, clock.now)
    assert outbox.count_rejects() == 1
    assert drain(outbox, A) == [b"good"]


def test_retried_rejects_go_behind_what_waits(outbox: Outbox) -> None:
    add(outbox, A, Payload(b"1", 3, "format"), b"2", b"3")
    reject_all(outbox, A)
    add(outbox, A, b"4")
    first, _, third = (reject.id for reject in outbox.rejects())
    assert outbox.count_rejects() == 3
    assert outbox.retry([third, first, 999]) == 2
    assert [reject.bytes for reject in outbox.rejects()] == [1]
    assert totals(outbox) == {A: (3, 7, 3)}
    assert drain(outbox, A) == [b"4", b"1", b"3"]


def test_all_rejects_can_be_retried(outbox: Outbox) -> None:
    add(outbox, A, b"1", b"2")
    add(outbox, B, b"3")
    reject_all(outbox, A)
    reject_all(outbox, B)
    assert outbox.retry() == 3
    assert outbox.retry() == 0
    assert (drain(outbox, A), drain(outbox, B)) == ([b"1", b"2"], [b"3"])


def test_a_retried_state_does_not_take_a_newer_one_away(outbox: Outbox) -> None:
    add(outbox, A, state(b"old"))
    reject_all(outbox, A)
    add(outbox, A, state(b"new"))
    assert outbox.retry() == 1
    assert drain(outbox, A) == [b"new"]
    assert totals(outbox) == {A: (0, 0, 0)}


def test_a_retried_state_is_still_replaced_by_a_newer_one(outbox: Outbox) -> None:
    add(outbox, A, state(b"old"))
    reject_all(outbox, A)
    outbox.retry()
    add(outbox, A, state(b"new"))
    assert drain(outbox, A) == [b"new"]


def test_of_a_rejected_state_the_newest_alone_is_set_aside(outbox: Outbox) -> None:
    for data in (b"1", b"22", b"333"):
        add(outbox, A, state(data), state(data, "other"), data)
        reject_all(outbox, A)
    assert sorted(reject.bytes for reject in outbox.rejects()) == [1, 2, 3, 3, 3]


def test_rejects_can_be_dropped(outbox: Outbox) -> None:
    add(outbox, A, b"1", b"2", b"3")
    reject_all(outbox, A)
    assert outbox.drop_rejects([outbox.rejects()[0].id]) == 1
    assert outbox.drop_rejects([]) == 0
    assert outbox.drop_rejects() == 2
    assert outbox.rejects() == []


def test_a_dropped_lane_is_forgotten_and_the_others_stay(outbox: Outbox) -> None:
    add(outbox, A, b"1", b"2")
    add(outbox, B, b"3")
    assert outbox.drop_lane(A) == 2
    assert outbox.drop_lane("memory://unknown") == 0
    assert totals(outbox) == {B: (1, 2, 1)}
    add(outbox, A, b"4")
    assert totals(outbox) == {A: (1, 2, 1), B: (1, 2, 1)}


def test_a_problem_is_remembered_until_the_lane_works_again(outbox: Outbox) -> None:
    add(outbox, A, b"1", b"2")
    outbox.note_problem(A, "connection\nrefused")
    assert lane_state(outbox, A).problem == "connection refused"
    outbox.delivered(next_in(outbox, A))
    assert lane_state(outbox, A).problem == ""


def test_a_reject_ends_an_outage_too(outbox: Outbox) -> None:
    add(outbox, A, b"1")
    outbox.note_problem(A, "connection refused")
    outbox.reject(next_in(outbox, A), "bad")
    assert lane_state(outbox, A).problem == ""


def test_a_changed_address_takes_over_what_waits(outbox: Outbox) -> None:
    configure(outbox, A)
    add(outbox, A, b"1", b"2", state(b"3"))
    configure(outbox, B)
    add(outbox, B, b"4")
    assert totals(outbox) == {B: (4, 7, 4)}
    assert drain(outbox, B) == [b"1", b"2", b"3", b"4"]


def test_the_other_destinations_keep_theirs_when_one_address_changes(outbox: Outbox) -> None:
    configure(outbox, A, B)
    add(outbox, A, b"a")
    add(outbox, B, b"b")
    configure(outbox, A, C)
    assert (drain(outbox, A), drain(outbox, C)) == ([b"a"], [b"b"])


def test_a_retried_reject_of_a_gone_lane_does_not_hide_a_changed_address(outbox: Outbox) -> None:
    configure(outbox, C)
    add(outbox, C, b"c")
    reject_all(outbox, C)
    configure(outbox, A)
    add(outbox, A, b"a")
    outbox.retry()
    configure(outbox, B)
    assert sorted(drain(outbox, B)) == [b"a", b"c"]


@pytest.mark.parametrize(
    ("before", "after", "family"),
    [
        pytest.param([A], [B], "other", id="another family"),
        pytest.param([A], [B, C], "memory", id="two new lanes"),
        pytest.param([A, B], [C], "memory", id="two lanes gone, one new"),
        pytest.param([A, B, C], [C], "memory", id="two lanes gone, none new"),
        pytest.param([A, C], [C], "memory", id="one lane gone, none new"),
        pytest.param([A], [], "memory", id="no lane at all"),
    ],
)
def test_otherwise_what_waits_stays_where_it_is(
    outbox: Outbox, before: list[str], after: list[str], family: str
) -> None:
    configure(outbox, *before)
    for lane in before:
        add(outbox, lane, lane.encode())
    configure(outbox, *after, family=family)
    assert {lane: drain(outbox, lane) for lane in before} == {lane: [lane.encode()] for lane in before}


def test_a_gone_lane_gets_what_waits_back_when_it_returns(outbox: Outbox) -> None:
    configure(outbox, A, B)
    add(outbox, A, b"a")
    configure(outbox, B)
    configure(outbox, A, B)
    assert drain(outbox, A) == [b"a"]


def test_an_empty_lane_that_is_gone_is_forgotten(outbox: Outbox) -> None:
    configure(outbox, A, B)
    configure(outbox, B)
    assert [lane.lane for lane in outbox.lanes()] == [B]


def test_retried_rejects_of_a_gone_lane_go_to_the_only_one(outbox: Outbox) -> None:
    configure(outbox, A)
    add(outbox, A, b"1")
    reject_all(outbox, A)
    configure(outbox, B)
    outbox.retry()
    configure(outbox, B)
    assert drain(outbox, B) == [b"1"]


@pytest.mark.parametrize(
    ("after", "family"),
    [
        pytest.param([B], "other", id="of another family"),
        pytest.param([B, C], "memory", id="one of two"),
        pytest.param([], "memory", id="none at all"),
    ],
)
def test_retried_rejects_of_a_gone_lane_stay_where_no_other_is_surely_theirs(
    outbox: Outbox, after: list[str], family: str
) -> None:
    configure(outbox, A)
    add(outbox, A, b"1")
    reject_all(outbox, A)
    configure(outbox, *after, family=family)
    outbox.retry()
    configure(outbox, *after, family=family)
    assert totals(outbox)[A] == (1, 2, 1)
    configure(outbox, A, *after, family=family)
    assert drain(outbox, A) == [b"1"]


def set_whole_aside(outbox: Outbox) -> None:
    outbox.reject(next_in(outbox, A), "bad")


def set_part_aside(outbox: Outbox) -> None:
    outbox.reject_parts([next_in(outbox, A)], [(Payload(b"1", 2), "bad")])


def set_newcomer_aside(outbox: Outbox) -> None:
    drain(outbox, A)
    outbox.set_aside(A, Payload(b"1", 2), "bad")


@pytest.mark.parametrize("set_aside", [set_whole_aside, set_part_aside, set_newcomer_aside])
def test_rejects_remember_their_family_however_they_were_set_aside(
    outbox: Outbox, set_aside: Callable[[Outbox], None]
) -> None:
    configure(outbox, A)
    add(outbox, A, b"1")
    set_aside(outbox)
    configure(outbox)
    outbox.retry()
    assert lane_state(outbox, A).family == "memory"


@pytest.mark.parametrize("at_once", [True, False])
def test_retried_rejects_of_two_families_are_of_none(outbox: Outbox, at_once: bool) -> None:
    """As when the address of a search was changed that kept its name."""
    for family in ("memory", "other"):
        configure(outbox, A, family=family)
        add(outbox, A, family.encode())
        reject_all(outbox, A)
    configure(outbox, B)
    ids = [reject.id for reject in outbox.rejects()]
    for chosen in [ids] if at_once else [[each] for each in ids]:
        outbox.retry(chosen)
    assert lane_state(outbox, A).family == ""
    configure(outbox, B)
    assert drain(outbox, A) == [b"memory", b"other"]


@pytest.mark.parametrize("after", [[B], [B, C]])
def test_what_is_added_to_a_lane_that_is_not_configured_stays_in_it(outbox: Outbox, after: list[str]) -> None:
    configure(outbox, B)
    add(outbox, A, b"1")
    configure(outbox, *after)
    assert (drain(outbox, B), drain(outbox, C)) == ([], [])
    configure(outbox, A, *after)
    assert drain(outbox, A) == [b"1"]


def test_a_lane_that_was_dropped_is_of_its_family_when_it_is_used_again(outbox: Outbox) -> None:
    configure(outbox, A)
    outbox.drop_lane(A)
    add(outbox, A, b"1")
    configure(outbox, B)
    assert drain(outbox, B) == [b"1"]


def test_who_configures_is_told_what_nobody_delivers(outbox: Outbox) -> None:
    configure(outbox, A, B)
    add(outbox, A, b"a")
    add(outbox, B, b"b")
    assert outbox.configure([Lane(C, "other"), Lane(B, "memory")]) == [lane_state(outbox, A)]


def test_a_configuration_that_cannot_be_taken_leaves_the_former_one(outbox: Outbox) -> None:
    outbox.configure([Lane(A, "memory", max_bytes=10)])
    with pytest.raises(OutboxError):
        outbox.configure([Lane(B, "memory"), Lane("\ud800", "memory")])
    assert [lane.lane for lane in outbox.lanes()] == [A]
    with pytest.raises(OutboxFull):
        add(outbox, A, b"more than ten")


def test_of_two_states_that_meet_in_a_lane_the_one_in_use_stays(outbox: Outbox) -> None:
    configure(outbox, A)
    add(outbox, A, state(b"former"))
    reject_all(outbox, A)
    configure(outbox, B)
    add(outbox, B, state(b"current"))
    outbox.retry()
    configure(outbox, B)
    assert totals(outbox) == {B: (1, 1, 7)}
    assert drain(outbox, B) == [b"current"]


def test_runs_are_listed_newest_first(outbox: Outbox) -> None:
    runs = [Run(number, number + 1.5, 0, 3, None, "") for number in range(3)]
    for run in runs:
        outbox.record_run(run)
    assert outbox.runs() == runs[::-1]


@pytest.mark.parametrize("successes", [[], [0], [0, 7]])
def test_the_history_is_bounded_and_keeps_the_last_success(outbox: Outbox, successes: list[int]) -> None:
    count = 3 * KEPT_RUNS
    for number in range(count):
        outbox.record_run(Run(number, number, 0 if number in successes else 1, 0, None, "failed"))
    kept = [int(run.started) for run in outbox.runs()]
    assert kept == [*range(count - 1, count - KEPT_RUNS - 1, -1), *successes[-1:]]


def test_the_message_of_a_run_is_one_line(outbox: Outbox) -> None:
    outbox.record_run(Run(1, 2, 1, 0, 3.5, "a\nb"))
    assert (outbox.runs()[0].message, outbox.runs()[0].newest) == ("a b", 3.5)


@pytest.mark.parametrize(("name", "position"), [("\ud800", 1), ("day", 2**63)])
def test_what_cannot_be_stored_is_an_error_of_the_outbox(outbox: Outbox, name: str, position: int) -> None:
    with pytest.raises(OutboxError, match="cannot be stored"), outbox.transaction() as transaction:
        transaction.move_cursor(name, position)
    assert outbox.cursors() == {}


def test_a_transaction_inside_another_is_refused(outbox: Outbox) -> None:
    add(outbox, A, b"1")

    def nest() -> None:
        with outbox.transaction() as transaction:
            transaction.add(A, [Payload(b"2", 1)])
            outbox.delivered(next_in(outbox, A))

    with pytest.raises(OutboxError):
        nest()
    assert drain(outbox, A) == [b"1"]


def test_a_closed_outbox_says_so_in_one_line(outbox: Outbox) -> None:
    outbox.close()
    with pytest.raises(OutboxError, match="closed"):
        outbox.lanes()


def test_the_lane_lock_is_got_when_free(outbox: Outbox) -> None:
    for _ in range(2):
        with outbox.lane_lock(A, wait=lambda: False) as mine, outbox.lane_lock(B, wait=lambda: False) as other:
            assert mine
            assert other
