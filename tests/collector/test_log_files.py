"""Log files that several processes share, and that are put aside when they have grown."""

import io
import json
import logging
from pathlib import Path

from importer.collector import log_files
from importer.collector.log_files import LogstashFormatter, SharedFile


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("a", logging.INFO, "a.py", 1, text, None, None)


def test_a_file_that_has_grown_too_large_is_put_aside_and_all_go_on_with_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "production.log"
    first, second = SharedFile(path, max_bytes=20), SharedFile(path, max_bytes=20)
    try:
        for handler, text in ((first, "x" * 30), (second, "from the other"), (first, "back")):
            handler.emit(record(text))
    finally:
        first.close()
        second.close()
    assert path.with_name("production.log.1").read_text() == f"{'x' * 30}\n"
    assert path.read_text() == "from the other\nback\n"


def test_a_file_that_somebody_has_taken_away_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "production.log"
    handler = SharedFile(path)
    try:
        handler.emit(record("one"))
        path.unlink()
        handler.emit(record("two"))
    finally:
        handler.close()
    assert path.read_text() == "two\n"


def test_a_file_that_cannot_be_made_anew_leaves_everybody_elses_files_alone(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    handler = SharedFile(folder / "production.log")
    try:
        (folder / "production.log").unlink()
        folder.rmdir()
        handler.emit(record("lost"))
        with (tmp_path / "other").open("w") as other:
            handler.emit(record("lost too"))
            other.write("intact")
        folder.mkdir()
        handler.emit(record("back"))
    finally:
        handler.close()
    assert (tmp_path / "other").read_text() == "intact"
    assert (folder / "production.log").read_text() == "back\n"


def test_a_full_disk_is_told_once_and_the_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / "production.log").symlink_to("/dev/full")
    console = io.StringIO()
    log_files.set_up("some.collector", directory=tmp_path, console=console)
    try:
        for _ in range(3):
            logging.getLogger("a").info("line")
    finally:
        log_files.close_down()
    told = f"ERROR:root:log file {tmp_path}/production.log cannot be written: No space left on device\n"
    assert console.getvalue() == told
    assert (tmp_path / "production.json.log").read_text().count('"@message": "line"') == 3


def test_a_wrong_call_of_a_users_collector_is_logged_as_it_is() -> None:
    wrong = logging.LogRecord("a", logging.INFO, "a.py", 1, "%d visits", ("many",), None)
    assert json.loads(LogstashFormatter("some.collector", {}).format(wrong))["@message"] == "%d visits ('many',)"


def test_in_the_end_loggers_have_the_levels_that_they_had(tmp_path: Path) -> None:
    loggers = [logging.getLogger(name) for name in ("", "importer", "urllib3")]
    before = [logger.level for logger in loggers]
    log_files.set_up("some.collector", directory=tmp_path, level="DEBUG", console=io.StringIO())
    assert [logger.level for logger in loggers] == [logging.DEBUG, logging.DEBUG, logging.WARNING]
    log_files.close_down()
    assert [logger.level for logger in loggers] == before
