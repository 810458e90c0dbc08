"""Progress is shown to a person at a terminal, and to nobody else."""

import io
import itertools
import logging
import os
import threading
from typing import TextIO

import pytest

from importer.cli.progress import Progress
from tests.terminals import Terminal as RealTerminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TerminalFile:
    """A real terminal, as a file that can be written to."""

    def __init__(self) -> None:
        self._terminal = RealTerminal()
        self.stream = os.fdopen(os.dup(self._terminal.device), "w", encoding="utf-8")

    def lines(self) -> list[str]:
        """Return what is left to be seen."""
        self._terminal.close()
        return self._terminal.screen

    @property
    def text(self) -> str:
        """All that was written."""
        return self._terminal.text


def counted(out: io.StringIO, *, seconds_each: float) -> str:
    now = [0.0]
    with Progress("dailyjobs", out=out, clock=lambda: now[0]) as progress:
        for _ in range(3):
            now[0] += seconds_each
            progress()
    return out.getvalue()


def test_answers_are_counted_on_one_line_that_is_wiped_at_the_end() -> None:
    written = counted(Terminal(), seconds_each=1.0)
    assert "dailyjobs: 3 answers" in written
    assert "\n" not in written
    assert written.endswith("\r" + " " * len("dailyjobs: 3 answers") + "\r")


def test_answers_that_come_fast_are_not_all_shown() -> None:
    written = counted(Terminal(), seconds_each=0.08)
    assert "3 answers" in written
    assert "2 answers" not in written


def test_nothing_is_written_where_nobody_looks() -> None:
    assert counted(io.StringIO(), seconds_each=1.0) == ""


def at(moments: list[tuple[float, int]], *, total: int, already: int = 0, **options: bool) -> str:
    """Return what is written while so many are reached at so many seconds."""
    now, out = [0.0], Terminal()
    with Progress("recollect", unit="periods", out=out, clock=lambda: now[0], **options) as progress:
        progress.reach(already, total)
        for now[0], count in moments:
            progress.reach(count, total)
    return out.getvalue()


def test_where_the_end_is_known_there_is_a_bar_and_the_time_that_is_left() -> None:
    assert "recollect: [#####...............]  25% 50 of 200 periods, 30 s left" in at([(10.0, 50)], total=200)


def test_what_was_done_before_does_not_count_for_the_time_that_is_left() -> None:
    assert "  75% 150 of 200 periods, 10 s left" in at([(10.0, 150)], total=200, already=100)


def test_nothing_to_do_is_no_division_by_zero() -> None:
    assert "recollect: 0 periods" in at([(1.0, 0)], total=0)


def test_who_does_not_want_it_sees_nothing_at_a_terminal_either() -> None:
    assert at([(10.0, 50)], total=200, is_wanted=False) == ""


def test_a_line_is_never_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    lines = at([(1.0, 5), (2.0, 6)], total=9).split("\r")
    assert max(map(len, lines)) == 29


def test_the_line_makes_room_for_a_log_record_and_comes_back() -> None:
    terminal = TerminalFile()
    handler = logging.StreamHandler(terminal.stream)
    logging.getLogger().addHandler(handler)
    try:
        now = [0.0]
        with Progress("dailyjobs", out=terminal.stream, clock=lambda: now[0]) as progress:
            for number in range(2):
                now[0] += 1.0
                progress()
                logging.getLogger("importer").error("trouble %d", number)
    finally:
        logging.getLogger().removeHandler(handler)
        terminal.stream.close()
    *_, first, second, rest = terminal.lines()
    assert (first, second, rest) == ("trouble 0", "trouble 1", "")
    assert handler.formatter is None


def test_what_is_counted_while_a_record_is_written_waits_for_its_end() -> None:
    terminal = TerminalFile()
    handler = HeldUp(terminal.stream)
    logging.getLogger().addHandler(handler)
    now = itertools.count()
    try:
        with Progress("dailyjobs", out=terminal.stream, clock=lambda: float(next(now))) as progress:
            progress()
            handler.meanwhile = progress
            logging.getLogger("importer").error("trouble")
            handler.counted.join()
    finally:
        logging.getLogger().removeHandler(handler)
        terminal.stream.close()
    assert terminal.lines() == ["trouble", ""]
    assert "dailyjobs: 2 answers" in terminal.text


class HeldUp(logging.StreamHandler[TextIO]):
    """A handler in whose way another thread gets, between a record's text and its writing."""

    meanwhile: Progress
    counted: threading.Thread

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        self.counted = threading.Thread(target=self.meanwhile)
        self.counted.start()
        self.counted.join(0.2)  # it counts now, or waits for the end of the record
        return text
