"""What polls bring is pushed too: kept until a store takes it, and told to those who ask for the status."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from importer.exporter.base import Fault, FaultKind, Outcome
from importer.exporter.family import Family, Sample, Series
from importer.exporter.push import Push, points_of
from importer.exporter.vitals import Vitals
from importer.outbox import Outbox
from importer.points import Point
from importer.sinks.base import PointSink
from importer.sinks.file import FileSink
from tests.exporter.scripted import gauge

NOW = 1_800_000_000


@contextmanager
def pushing(folder: Path, *sinks: PointSink) -> Iterator[Push]:
    with Push(lambda: Outbox(folder / "cton.outbox"), stop=threading.Event(), clock=lambda: NOW) as push:
        push.replace(sinks)
        yield push


def file_sink(path: Path) -> FileSink:
    sink = FileSink(path=path)
    sink.outbox_max_bytes = 10_000
    return sink


def test_a_point_has_the_name_the_labels_and_the_service() -> None:
    families = [gauge("depth", 3.0, queue="a"), gauge("age", 7.0, service="own")]
    assert list(points_of(families, "shop", NOW)) == [
        Point(("depth",), 3.0, NOW, (("queue", "a"), ("service", "shop"))),
        Point(("age",), 7.0, NOW, (("service", "own"),)),
    ]


def test_what_no_store_has_a_use_for_is_left_out() -> None:
    samples = [
        Sample(Series("wait_sum"), 2.0),
        Sample(Series("wait_created"), 1.7e9),
        Sample(Series("wait_max"), math.inf),
    ]
    points = points_of([Family("wait", "summary", "", samples)], "shop", NOW)
    assert [point.path for point in points] == [("wait_sum",)]


def test_without_destinations_there_is_no_outbox(tmp_path: Path) -> None:
    with pushing(tmp_path) as push:
        push("shop", Vitals("shop"), [gauge("depth", 3.0)], Outcome())
        assert push.deliver_now() == []
    assert list(tmp_path.iterdir()) == []


def test_figures_are_delivered_with_those_about_the_service(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with pushing(tmp_path, file_sink(out)) as push:
        push("shop", Vitals("shop"), [gauge("depth", 3.0)], Outcome())
        (report,) = push.deliver_now()
    assert report.error is None
    text = out.read_text()
    assert '"depth"' in text
    assert '"collectington_up"' in text


def test_the_status_tells_what_the_polls_came_to(tmp_path: Path) -> None:
    with pushing(tmp_path, file_sink(tmp_path / "out.jsonl")) as push:
        push("shop", Vitals("shop"), [gauge("depth", 3.0)], Outcome([Fault(FaultKind.TIMEOUT, "no answer")]))
    with Outbox(tmp_path / "cton.outbox") as outbox:
        (run,) = outbox.runs()
    assert run.message == "shop: no answer"
    assert run.points > 1


def test_a_destination_that_is_full_costs_another_nothing_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    full, well = file_sink(tmp_path / "none" / "full.jsonl"), file_sink(tmp_path / "out.jsonl")
    full.outbox_max_bytes = 10
    with pushing(tmp_path, full, well) as push:
        for value in (1.0, 2.0, 3.0):
            push("shop", Vitals("shop"), [gauge("depth", value)], Outcome())
        push.deliver_now()
    assert (tmp_path / "out.jsonl").read_text().count('"depth"') == 3
    assert len([record for record in caplog.records if "not pushed" in record.getMessage()]) == 1


def test_what_a_poll_brings_after_the_end_is_dropped(tmp_path: Path) -> None:
    with pushing(tmp_path, file_sink(tmp_path / "out.jsonl")) as push:
        pass
    push("shop", Vitals("shop"), [gauge("depth", 3.0)], Outcome())
    assert not (tmp_path / "out.jsonl").exists()
