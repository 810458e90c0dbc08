"""What every sink promises, whatever its store, shown by what the store holds afterwards."""

import logging
import threading
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from importer.delivery import Delivery
from importer.errors import SinkError
from importer.lane import LaneReport, configure
from importer.outbox import Outbox
from importer.points import Payload, Point
from importer.sinks import PROTOCOLS
from importer.sinks.base import PointSink
from tests.contract.stores import STORES, Servers
from tests.contract.stores.base import WAIT_SECONDS, Store
from tests.contract.stores.local import LogStore

LOG = "dummy"
PORT = "prometheus port"
TITLES = (*STORES, LOG)
ALWAYS_THERE = {LOG, PORT, "kafka"}
"""The log and our own port; and the broker that tests share: an outage of Kafka is that of the mock brokers."""
KEEPS_BOTH = {"influxdb 2 of VictoriaMetrics"}
"""Has two values for one time until it merges them."""
OF_OUR_TIME = {"plain", "pickle", "influxdb 2 of VictoriaMetrics"}
"""Drop what is older or newer than all that they were told to keep."""
TAKES_ANYTHING = {LOG}

MAY_2016 = 1462147200
VALUES = (0, -1, 48213, 2**53 - 1, 10**22, 0.1 + 0.2, -1 / 3, 1e-7, 12345678.125)
EXTREME_VALUES = (5e-324, 1.7976931348623157e308, -1.7976931348623157e308)
STAMPS = (MAY_2016, MAY_2016 + 1, MAY_2016 + 59.5, MAY_2016 + 3600.25, MAY_2016 + 86_400)
EXTREME_STAMPS = (0, 1, 2**31, 2**32 - 1)
HOSTILE = (
    "Fahrräder 自転車",
    "Ute & Van.au: Classifieds (beta)",
    "../../etc/passwd",
    "a;b=c",
    "#comment",
    '"quoted", and {braced}',
    "two\nlines 1 2",
    "carriage\rreturn",
    "\u2028",
    "C:\\Temp\\",
    "'; DROP TABLE points; --",
    "$1 %s %n",
    "half \ud83d of it",
    "🚲",
    "???",
    "",
)
LABELS = (
    (),
    (("os", "ios"),),
    (("os", "android"),),
    (("os", "ios"), ("zone", "eu")),
    (("app-version", "6.6.1 (3705)"),),
    (("os", 'a "quoted", {braced} = text'),),
    (("os", "Fahrräder 自転車 🚲"),),
    (("os", "#1"),),
)

_roots = (f"root{number}" for number in count())


def stores(*, without: Collection[str] = ()) -> pytest.MarkDecorator:
    """Return the mark of a test that is made for each store but these."""
    return pytest.mark.parametrize(
        "store", [_parameter(title) for title in TITLES if title not in without], indirect=True
    )


def _parameter(title: str) -> object:
    program = STORES[title].program if title in STORES else ""
    return pytest.param(title, marks=[pytest.mark.server(program)] if program else [], id=title)


@pytest.fixture
def store(
    request: pytest.FixtureRequest, servers: Servers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[Store]:
    """A store that runs, and holds nothing of this test yet."""
    store = _opened(request.param, servers, tmp_path, caplog)
    yield store
    store.close()


def _opened(title: str, servers: Servers, state: Path, caplog: pytest.LogCaptureFixture) -> Store:
    if title == LOG:
        caplog.set_level(logging.INFO)
        return LogStore(next(_roots), state, read_log=lambda: "\n".join(caplog.messages))
    kind = STORES[title]
    if reason := kind.why_missing():
        pytest.skip(reason)
    return kind.open(servers, next(_roots), state)


@pytest.fixture
def sink(store: Store) -> Iterator[PointSink]:
    """A sink of the store."""
    sink = store.sink()
    yield sink
    sink.close()


def points_of_a_day(store: Store) -> list[Point]:
    return [Point((store.root, "Bike Shop", name), number, MAY_2016) for number, name in enumerate("abcdefg")]


def deliver(sink: PointSink, points: Iterable[Point]) -> None:
    for payload in sink.encode(points):
        sink.deliver(payload)


def assert_all_held(sink: PointSink, store: Store, points: list[Point]) -> None:
    """Deliver points, and fail unless the store has all of them and no other."""
    expected = store.expected(points)
    deliver(sink, points)
    store.wait_for(expected)


def test_every_protocol_is_here() -> None:
    assert {kind.protocol for kind in STORES.values()} | {LOG} == set(PROTOCOLS)


# Encoding


@stores()
def test_nothing_to_encode_gives_no_payload(sink: PointSink) -> None:
    assert sink.encode([]) == []
    assert sink.encode(iter([])) == []


@stores()
def test_no_point_is_lost_or_counted_twice_by_encode(sink: PointSink, store: Store) -> None:
    points = points_of_a_day(store)
    payloads = sink.encode(iter(points))
    assert sum(payload.points for payload in payloads) == len(points)
    assert all(payload.data and payload.points for payload in payloads)


@stores()
def test_encode_gives_the_same_bytes_every_time(sink: PointSink, store: Store) -> None:
    once = sink.encode(points_of_a_day(store))
    assert sink.encode(points_of_a_day(store)) == once
    assert store.sink().encode(points_of_a_day(store)) == once


@stores()
def test_preview_has_a_line_for_every_point_whatever_its_name(sink: PointSink) -> None:
    names = ("", "a\nb", "\u2028", "\x85", "\ud800", "...", "x" * 1000)
    points = [Point((name,), 1, 60, labels) for name in names for labels in ((), (("label", name),))]
    shown = list(sink.preview(iter(points)))
    assert len(shown) == len(points)
    assert all(len(line.splitlines()) == 1 for line in shown)


@stores()
def test_preview_and_encode_leave_the_store_alone(sink: PointSink, store: Store) -> None:
    other = Point((store.root, "other"), 1, MAY_2016)
    sink.encode([other])
    list(sink.preview([other]))
    assert_all_held(sink, store, points_of_a_day(store)[:1])


# Delivery


@stores()
def test_what_was_delivered_is_held(sink: PointSink, store: Store) -> None:
    assert_all_held(sink, store, points_of_a_day(store))


@stores(without=KEEPS_BOTH)
def test_of_two_values_for_one_time_the_later_is_held(sink: PointSink, store: Store) -> None:
    assert_all_held(sink, store, [Point((store.root, "n"), number, MAY_2016) for number in range(7)])


@stores(without=KEEPS_BOTH)
def test_a_later_run_overwrites_what_an_earlier_one_delivered_for_the_same_time(sink: PointSink, store: Store) -> None:
    assert_all_held(sink, store, [Point((store.root, "n"), 1.5, MAY_2016)])
    sink.close()
    assert_all_held(store.sink(), store, [Point((store.root, "n"), 2.5, MAY_2016)])


@stores()
def test_delivering_again_changes_nothing(sink: PointSink, store: Store) -> None:
    points = points_of_a_day(store)
    for payload in 2 * sink.encode(points):
        sink.deliver(payload)
    store.wait_for(store.expected(points))


@stores()
def test_a_new_sink_delivers_what_an_old_one_encoded(sink: PointSink, store: Store) -> None:
    points = points_of_a_day(store)
    successor = store.sink()
    for payload in sink.encode(points):
        successor.deliver(payload)
    successor.close()
    store.wait_for(store.expected(points))


@stores()
def test_a_closed_sink_may_be_closed_again_and_used_again(sink: PointSink, store: Store) -> None:
    sink.close()
    sink.close()
    assert_all_held(sink, store, points_of_a_day(store))


# What points may be


@stores()
def test_points_that_differ_in_their_labels_alone_are_told_apart(sink: PointSink, store: Store) -> None:
    points = [Point((store.root, "dau"), number, MAY_2016, labels) for number, labels in enumerate(LABELS)]
    assert_all_held(sink, store, points)


@stores()
def test_no_name_breaks_anything_or_is_lost(sink: PointSink, store: Store) -> None:
    points = [Point((store.root, f"n{number}", name), number, MAY_2016) for number, name in enumerate(HOSTILE)]
    assert_all_held(sink, store, points)


@stores()
def test_no_label_breaks_what_is_delivered_with_it(sink: PointSink, store: Store) -> None:
    odd = [
        Point((store.root, "odd"), number, MAY_2016, ((f"label{number}", name), (name or "empty", "x")))
        for number, name in enumerate(HOSTILE)
    ]
    plain = points_of_a_day(store)
    deliver(sink, [*odd, *plain])
    store.wait_for_some(store.expected(plain))
    if store.has_labels:
        assert len([key for key in store.held() if key.name.endswith("odd")]) == len(HOSTILE)


@stores()
def test_numbers_are_held_with_their_digits(sink: PointSink, store: Store) -> None:
    values = VALUES if store.digits < 17 else VALUES + EXTREME_VALUES
    points = [Point((store.root, f"n{number}"), value, MAY_2016) for number, value in enumerate(values)]
    assert_all_held(sink, store, points)


@stores()
def test_whole_numbers_and_others_may_follow_each_other(sink: PointSink, store: Store) -> None:
    values = (1, 1.5, 2, 2.5, -3)
    points = [Point((store.root, "n"), value, MAY_2016 + number) for number, value in enumerate(values)]
    assert_all_held(sink, store, points)


@stores()
def test_points_are_held_at_their_times_in_whatever_order_they_come(sink: PointSink, store: Store) -> None:
    points = [Point((store.root, "n"), number, stamp) for number, stamp in enumerate(STAMPS)]
    assert_all_held(sink, store, [*points[::2], *points[1::2]])


@stores(without=OF_OUR_TIME)
def test_the_first_and_the_last_time_that_a_point_may_have_are_held(sink: PointSink, store: Store) -> None:
    points = [Point((store.root, "n"), number, stamp) for number, stamp in enumerate(EXTREME_STAMPS)]
    assert_all_held(sink, store, points)


@stores(without={PORT})
def test_two_commands_that_deliver_to_one_store_at_once_lose_nothing(store: Store) -> None:
    lots = [
        [Point((store.root, f"command{command}", f"n{number}"), number, MAY_2016) for number in range(30)]
        for command in range(2)
    ]
    barrier = threading.Barrier(len(lots), timeout=WAIT_SECONDS)

    def run(points: list[Point]) -> None:
        sink = store.sink()
        payloads = sink.encode(points)
        barrier.wait()
        for payload in payloads:
            sink.deliver(payload)
        sink.close()

    with ThreadPoolExecutor(len(lots)) as pool:
        list(pool.map(run, lots))
    store.wait_for(store.expected(point for points in lots for point in points))


# Checks, lanes, and what goes wrong


@stores()
def test_check_is_one_line_that_names_the_lane_and_delivers_nothing(sink: PointSink, store: Store) -> None:
    points = points_of_a_day(store)[:1]
    assert_all_held(sink, store, points)
    answer = sink.check()
    assert answer.startswith(sink.lane)
    assert "\n" not in answer
    assert store.held().keys() == store.expected(points).keys()


@stores()
def test_the_lane_is_the_same_for_every_sink_of_a_store(sink: PointSink, store: Store) -> None:
    assert store.sink().lane == sink.lane
    assert sink.lane.isprintable()
    assert sink.lane


@stores(without=ALWAYS_THERE)
def test_an_error_is_one_line_that_starts_with_the_lane(sink: PointSink, store: Store) -> None:
    (payload, *_) = sink.encode(points_of_a_day(store))
    store.stop()
    for attempt in (lambda: sink.deliver(payload), sink.check):
        with pytest.raises(SinkError) as caught:
            attempt()
        assert str(caught.value).startswith(f"{sink.lane}: ")
        assert "\n" not in str(caught.value)
        assert caught.value.sink == sink.lane
    store.start()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """A queue on disk."""
    with Outbox(tmp_path / "contract.outbox") as outbox:
        yield outbox


def queue(outbox: Outbox, sink: PointSink, payloads: Iterable[Payload]) -> None:
    configure(outbox, [sink])
    with outbox.transaction() as transaction:
        transaction.add(sink.lane, payloads)


def drained(outbox: Outbox, store: Store) -> LaneReport:
    """Return what one pass over the lane comes to, as another process makes it."""
    sink = store.sink()
    configure(outbox, [sink])
    with Delivery(outbox, [sink], stop=threading.Event(), tries_again=False) as delivery:
        (report,) = delivery.deliver_now()
    return report


def waiting(outbox: Outbox) -> int:
    return sum(lane.points for lane in outbox.lanes())


@stores(without=ALWAYS_THERE)
def test_what_a_store_that_is_away_does_not_get_is_kept_and_delivered_once_it_is_back(
    sink: PointSink, store: Store, outbox: Outbox
) -> None:
    points = points_of_a_day(store)
    first, *others = points
    assert_all_held(sink, store, [first])
    queue(outbox, sink, sink.encode(points))
    store.stop()
    report = drained(outbox, store)
    assert isinstance(report.error, SinkError)
    assert (report.delivered, report.rejected, waiting(outbox)) == (0, 0, len(points))
    store.start()
    assert drained(outbox, store).error is None
    assert waiting(outbox) == 0
    store.wait_for(store.expected([first, *others]))


@stores(without=TAKES_ANYTHING)
def test_what_can_never_be_taken_is_set_aside_with_a_reason_and_the_rest_goes_on(
    sink: PointSink, store: Store, outbox: Outbox
) -> None:
    points = points_of_a_day(store)
    damaged = Payload(b"\xff no points", 1, "none of ours")
    queue(outbox, sink, [*sink.encode(points[:3]), damaged, *sink.encode(points[3:])])
    report = drained(outbox, store)
    assert (report.error, report.rejected, waiting(outbox)) == (None, 1, 0)
    (reject,) = outbox.rejects()
    assert reject.reason
    assert "\n" not in reject.reason
    store.wait_for(store.expected(points))
