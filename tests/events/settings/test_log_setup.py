"""The stats service logs as its INI file says, or to standard error; in a process of its own, as logging is one's."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT
from tests.events.tokens.old_tokens import GOLDEN

PROGRAM = """
import logging, sys
from pathlib import Path
from importer.credentials import Secret
from importer.errors import ConfigError
from importer.events.settings.log_setup import configure_logging

secret = Secret("open sesame")
try:
    configure_logging(Path(sys.argv[1]))
except ConfigError as error:
    print(*error.lines, sep="\\n")
logging.getLogger("importer.events").info("the word is %s\\nsecond line", "open sesame")
logging.getLogger("stats").debug("of the old service")
"""
SECTIONS = """[app:main]
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys =
[logger_root]
Level = INFO
handlers = console
[handler_console]
class = {handler}
args = {args}
{formatter}
"""


def run(path: Path) -> tuple[str, list[str]]:
    """Return what a process that logs as the file says writes to standard output, and the lines of its log."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, path], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout, done.stderr.splitlines()


def write(folder: Path, *, handler: str = "StreamHandler", args: str = "(sys.stderr,)", formatter: str = "") -> Path:
    path = folder / "stats.ini"
    path.write_text(SECTIONS.format(handler=handler, args=args, formatter=formatter))
    return path


def test_the_old_file_gives_lines_in_its_format_without_secrets_and_foreign_line_breaks() -> None:
    told, lines = run(GOLDEN / "development.ini")
    assert told == ""
    assert lines[0].endswith(" INFO  [importer.events][MainThread] the word is ***\\nsecond line")
    assert lines[1].endswith(" DEBUG [stats][MainThread] of the old service")


def test_without_those_sections_the_log_is_standard_error(tmp_path: Path) -> None:
    path = tmp_path / "stats.ini"
    path.write_text("[app:main]\n")
    told, (line,) = run(path)
    assert told == ""
    assert line.endswith(" - INFO - importer.events - the word is ***\\nsecond line")


def test_a_handler_without_a_formatter_shows_no_secret_either(tmp_path: Path) -> None:
    assert run(write(tmp_path)) == ("", ["the word is ***\\nsecond line"])


def test_here_names_the_directory_of_the_file_in_them_too(tmp_path: Path) -> None:
    path = write(tmp_path, handler="FileHandler", args="('%(here)s/stats.log',)")
    assert run(path) == ("", [])
    assert (tmp_path / "stats.log").read_text() == "the word is ***\\nsecond line\n"


@pytest.mark.parametrize(
    ("handler", "args", "formatter", "error"),
    [
        ("NoSuchHandler", "()", "", "ModuleNotFoundError: No module named 'NoSuchHandler'"),
        ("StreamHandler", "(sys.stderr", "", "SyntaxError: '(' was never closed (<string>, line 1)"),
        ("StreamHandler", "()", "level = LOUD", "ValueError: Unknown level: 'LOUD'"),
        ("FileHandler", "('/nowhere/at/all',)", "", "FileNotFoundError: [Errno 2] No such file or directory"),
        ("StreamHandler", "()", "formatter = other", "KeyError: 'other'"),
    ],
)
def test_sections_that_cannot_be_carried_out_are_one_line_and_the_log_is_standard_error(
    tmp_path: Path, handler: str, args: str, formatter: str, error: str
) -> None:
    path = write(tmp_path, handler=handler, args=args, formatter=formatter)
    told, (line,) = run(path)
    assert told.startswith(f"{path}: [loggers]: logging cannot be set up so: {error}")
    assert told.count("\n") == 1
    assert line.endswith(" - INFO - importer.events - the word is ***\\nsecond line")
