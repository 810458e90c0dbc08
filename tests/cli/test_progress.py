"""Progress is shown to a person at a terminal, and to nobody else."""

import io

from importer.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


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
