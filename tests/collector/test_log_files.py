"""Log files that several processes share, and that are put aside when they have grown."""

import logging
from pathlib import Path

from importer.collector.log_files import SharedFile


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
