"""What every sink promises, whatever its store. A new one joins with a store and a class line at the end."""

import logging
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from importer.errors import SinkError
from importer.metric_store import MetricStore
from importer.points import Point
from importer.sinks.base import PointSink
from importer.sinks.carbon_pickle import parse_frames
from importer.sinks.dummy import DummySink
from importer.sinks.graphite import GraphiteProtocol, GraphiteSink
from importer.sinks.plain_text import parse_lines
from importer.sinks.sqlite import SqliteSink
from tests.sinks.receivers import Receiver, read_everything

Held = dict[tuple[str, float], float]
"""(name, timestamp) -> value, as all our stores keep them: the last one wins."""

MAY_2016 = 1462147200
POINTS_OF_A_DAY = [Point(("shop", "Bike Shop", name), number, MAY_2016) for number, name in enumerate("abcdefg")]
HELD = {(f"shop.Bike_Shop.{name}", MAY_2016): number for number, name in enumerate("abcdefg")}


class Store(ABC):
    """Where a sink delivers to: it can go away and come back, and be read."""

    @abstractmethod
    def sink(self) -> PointSink:
        """Return a new sink for this store, with payloads of three points where that can be set."""

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def held(self) -> Held:
        """Return all that the store holds by now."""


class CarbonStore(Store):
    """Reads like carbon, and remembers."""

    def __init__(self, protocol: GraphiteProtocol) -> None:
        self._protocol: GraphiteProtocol = protocol
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port: int = listener.getsockname()[1]
        self._running = ExitStack()
        self._receivers: list[Receiver] = []

    def sink(self) -> PointSink:
        return GraphiteSink(host="127.0.0.1", port=self._port, protocol=self._protocol, max_buffer=3)

    def start(self) -> None:
        self._receivers.append(self._running.enter_context(Receiver(read_everything, port=self._port)))

    def stop(self) -> None:
        self._running.close()

    def held(self) -> Held:
        parse = parse_lines if self._protocol == "plain" else parse_frames
        return {
            (point.path[0], point.timestamp): point.value
            for receiver in self._receivers
            for received in receiver.all_received()
            if received
            for point in parse(received)
        }


class LogStore(Store):
    """The log, which is always there."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        caplog.set_level(logging.INFO)

    def sink(self) -> PointSink:
        return DummySink(max_buffer=3)

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def held(self) -> Held:
        texts = [record.getMessage().removeprefix("Dummy protocol:\nSTARTDATA\n") for record in self._caplog.records]
        points = [point for text in texts for point in parse_lines(text.removesuffix("ENDDATA").encode())]
        return {(point.path[0], point.timestamp): point.value for point in points}


class SqliteStore(Store):
    """A file in a directory that can be taken away."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "store"
        self._away = directory / "away"
        self._away.mkdir()

    def sink(self) -> PointSink:
        return SqliteSink(path=self._directory / "metrics.db")

    def start(self) -> None:
        self._away.rename(self._directory)

    def stop(self) -> None:
        if self._directory.exists():
            self._directory.rename(self._away)

    def held(self) -> Held:
        with MetricStore(self._directory / "metrics.db") as store:
            return {
                (series.name, point.timestamp): point.value
                for series in store.series()
                for point in store.points(series)
            }


class SinkContract:
    """The promises."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        raise NotImplementedError

    @pytest.fixture
    def sink(self, store: Store) -> Iterator[PointSink]:
        """A sink whose store runs."""
        store.start()
        sink = store.sink()
        yield sink
        sink.close()
        store.stop()

    def test_nothing_to_encode_gives_no_payload(self, sink: PointSink) -> None:
        assert sink.encode([]) == []
        assert sink.encode(iter([])) == []

    def test_no_point_is_lost_or_counted_twice_by_encode(self, sink: PointSink) -> None:
        payloads = sink.encode(iter(POINTS_OF_A_DAY))
        assert sum(payload.points for payload in payloads) == len(POINTS_OF_A_DAY)
        assert all(payload.data and payload.points for payload in payloads)

    def test_encode_gives_the_same_bytes_every_time(self, sink: PointSink, store: Store) -> None:
        once = sink.encode(POINTS_OF_A_DAY)
        assert sink.encode(POINTS_OF_A_DAY) == once
        assert store.sink().encode(POINTS_OF_A_DAY) == once

    def test_what_was_delivered_is_held(self, sink: PointSink, store: Store) -> None:
        for payload in sink.encode(POINTS_OF_A_DAY):
            sink.deliver(payload)
        assert store.held() == HELD

    def test_of_two_values_for_one_time_the_later_is_held(self, sink: PointSink, store: Store) -> None:
        points = [Point(("n",), number, MAY_2016) for number in range(7)]
        for payload in sink.encode(points):
            sink.deliver(payload)
        assert store.held() == {("n", MAY_2016): 6}

    def test_delivering_again_changes_nothing(self, sink: PointSink, store: Store) -> None:
        for payload in 2 * sink.encode(POINTS_OF_A_DAY):
            sink.deliver(payload)
        assert store.held() == HELD

    def test_a_new_sink_delivers_what_an_old_one_encoded(self, sink: PointSink, store: Store) -> None:
        payloads = sink.encode(POINTS_OF_A_DAY)
        successor = store.sink()
        for payload in payloads:
            successor.deliver(payload)
        successor.close()
        assert store.held() == HELD

    def test_preview_has_a_line_for_every_point_whatever_its_name(self, sink: PointSink) -> None:
        names = ("", "a\nb", "\u2028", "\x85", "\ud800", "...", "x" * 1000)
        points = [Point((name,), 1, 60, labels) for name in names for labels in ((), (("label", name),))]
        shown = list(sink.preview(iter(points)))
        assert len(shown) == len(points)
        assert all(len(line.splitlines()) == 1 for line in shown)

    def test_preview_and_encode_leave_the_store_alone(self, sink: PointSink, store: Store) -> None:
        sink.deliver(sink.encode(POINTS_OF_A_DAY[:1])[0])
        held = store.held()
        sink.encode([Point(("n",), 1, 60)])
        list(sink.preview([Point(("n",), 1, 60)]))
        assert store.held() == held

    def test_check_is_one_line_that_names_the_lane_and_delivers_nothing(self, sink: PointSink, store: Store) -> None:
        sink.deliver(sink.encode(POINTS_OF_A_DAY[:1])[0])
        held = store.held()
        answer = sink.check()
        assert answer.startswith(sink.lane)
        assert "\n" not in answer
        assert store.held() == held

    def test_the_lane_is_the_same_for_every_sink_of_a_store(self, sink: PointSink, store: Store) -> None:
        assert store.sink().lane == sink.lane
        assert sink.lane.isprintable()
        assert sink.lane

    def test_a_closed_sink_may_be_closed_again_and_used_again(self, sink: PointSink, store: Store) -> None:
        sink.close()
        sink.close()
        for payload in sink.encode(POINTS_OF_A_DAY):
            sink.deliver(payload)
        assert store.held() == HELD


class OutageContract(SinkContract):
    """What a sink promises besides when its store can go away."""

    def test_points_are_delivered_after_the_store_came_back(self, sink: PointSink, store: Store) -> None:
        first, *others = sink.encode(POINTS_OF_A_DAY) + sink.encode(POINTS_OF_A_DAY)
        sink.deliver(first)
        store.stop()
        with pytest.raises(SinkError):
            sink.deliver(first)
        store.start()
        for payload in others:
            sink.deliver(payload)
        assert store.held() == HELD

    def test_an_error_is_one_line_that_starts_with_the_lane(self, sink: PointSink, store: Store) -> None:
        (payload, *_) = sink.encode(POINTS_OF_A_DAY)
        store.stop()
        for attempt in (lambda: sink.deliver(payload), sink.check):
            with pytest.raises(SinkError) as caught:
                attempt()
            assert str(caught.value).startswith(f"{sink.lane}: ")
            assert "\n" not in str(caught.value)
            assert caught.value.sink == sink.lane


class TestGraphitePlain(OutageContract):
    @pytest.fixture
    def store(self) -> Store:
        return CarbonStore("plain")


class TestGraphitePickle(OutageContract):
    @pytest.fixture
    def store(self) -> Store:
        return CarbonStore("pickle")


class TestDummy(SinkContract):
    @pytest.fixture
    def store(self, caplog: pytest.LogCaptureFixture) -> Store:
        return LogStore(caplog)


class TestSqlite(OutageContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return SqliteStore(tmp_path)
