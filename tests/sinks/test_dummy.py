import logging

import pytest

from importer.points import Point
from importer.sinks.dummy import DummySink
from importer.sinks.naming import Naming

DAU = Point(("apteligent", "Bike Shop", "daily", "dau"), 48213.0, 1462060800)
MAU = Point(("apteligent", "Bike Shop", "daily", "mau"), 12345678, 1462060800)


def test_a_payload_is_one_record_at_info_with_the_plain_lines(caplog: pytest.LogCaptureFixture) -> None:
    sink = DummySink()
    (payload,) = sink.encode([DAU, MAU])
    with caplog.at_level(logging.INFO):
        sink.deliver(payload)
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage() == (
        "Dummy protocol:\n"
        "STARTDATA\n"
        "apteligent.Bike_Shop.daily.dau 48213.0 1462060800.000\n"
        "apteligent.Bike_Shop.daily.mau 12345678 1462060800.000\n"
        "ENDDATA"
    )


def test_the_record_asks_for_its_line_ends_to_be_kept(caplog: pytest.LogCaptureFixture) -> None:
    sink = DummySink()
    with caplog.at_level(logging.INFO):
        sink.deliver(sink.encode([DAU])[0])
    assert caplog.records[0].__dict__["multiline"] is True


def test_points_are_framed_by_max_buffer() -> None:
    points = [Point(("n",), number, number) for number in range(5)]
    assert [payload.points for payload in DummySink(max_buffer=2).encode(points)] == [2, 2, 1]


def test_naming_options_hold_here_too_so_that_they_can_be_tried() -> None:
    sink = DummySink(naming=Naming(prefix="acme", system_name=""))
    assert list(sink.preview([MAU])) == ["acme.apteligent.Bike_Shop.daily.mau 12345678 1462060800.000"]
    assert sink.encode([MAU])[0].data.startswith(b"acme.")


def test_a_max_buffer_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="max_buffer"):
        DummySink(max_buffer=0)


def test_check_says_that_it_is_the_log() -> None:
    assert DummySink().check() == "dummy writes to the log"
