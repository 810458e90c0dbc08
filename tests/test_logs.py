"""Log records reach the file and the console in the promised forms, without secrets and forged lines."""

import io
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer import credentials, logs
from importer.credentials import MIN_REDACTED_LENGTH, Redactor, Secret
from importer.logs import MULTILINE, JournalFormatter, RedactingFormatter, clean, setup, teardown

logger = logging.getLogger("importer.sources.shop")

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - (?P<level>[A-Z]+) -(?P<name>[\w.]+):(?P<function>\w+):\d+- (?P<message>.*)"
)


@pytest.fixture(autouse=True)
def _clean_slate(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(credentials, "_redactor", Redactor())
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    yield
    teardown()


@pytest.fixture
def console() -> io.StringIO:
    return io.StringIO()


def messages(path: Path) -> list[str]:
    return [LINE.fullmatch(line)["message"] for line in path.read_text().splitlines()]


def test_the_log_file_has_the_old_format(tmp_path: Path) -> None:
    setup("dailyjobs", directory=tmp_path)
    logger.info("metrics sent count=%d", 5)
    (line,) = (tmp_path / "dailyjobs.log").read_text().splitlines()
    found = LINE.fullmatch(line)
    assert found["level"] == "INFO"
    assert found["name"] == "importer.sources.shop"
    assert found["function"] == "test_the_log_file_has_the_old_format"
    assert found["message"] == "metrics sent count=5"


def test_another_format_and_other_loggers_can_be_asked_for(tmp_path: Path) -> None:
    setup("leexportpy", directory=tmp_path, file_format="%(name)s - %(message)s", loggers=("importer", "plugins"))
    logging.getLogger("plugins.mine").debug("hello")
    assert (tmp_path / "leexportpy.log").read_text() == "plugins.mine - hello\n"


@pytest.mark.parametrize(("quiet", "expected"), [(False, ["debug", "info"]), (True, ["info"])])
def test_quiet_means_info(tmp_path: Path, quiet: bool, expected: list[str]) -> None:
    setup("dailyjobs", directory=tmp_path, quiet=quiet)
    logger.debug("debug")
    logger.info("info")
    assert messages(tmp_path / "dailyjobs.log") == expected


@pytest.mark.parametrize("name", ["urllib3.connectionpool", "requests.sessions"])
@pytest.mark.parametrize(("quiet", "expected"), [(False, ["GET /?key=***", "retry"]), (True, ["retry"])])
def test_the_chatter_of_the_http_library_is_redacted_or_left_out(
    tmp_path: Path, name: str, quiet: bool, expected: list[str]
) -> None:
    Secret("sesame")
    setup("dailyjobs", directory=tmp_path, quiet=quiet)
    logging.getLogger(name).debug("GET %s", "/?key=sesame")
    logging.getLogger(name).warning("retry")
    assert messages(tmp_path / "dailyjobs.log") == expected


def test_other_libraries_are_heard_from_warnings_on(tmp_path: Path) -> None:
    setup("dailyjobs", directory=tmp_path)
    logging.getLogger("kafka").info("chatter")
    logging.getLogger("kafka").warning("trouble")
    assert messages(tmp_path / "dailyjobs.log") == ["trouble"]


def test_the_console_gets_the_text_of_errors_alone(tmp_path: Path, console: io.StringIO) -> None:
    setup("dailyjobs", directory=tmp_path, console=console)
    logger.warning("warning")
    try:
        raise ValueError("cause")
    except ValueError:
        logger.exception("error at %s", "host")
    logger.critical("critical")
    assert console.getvalue() == "error at host\ncritical\n"


def test_the_console_is_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    setup("dailyjobs", directory=tmp_path)
    logger.error("error")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "error\n")


def test_the_console_may_get_more_in_another_format(console: io.StringIO) -> None:
    setup(
        "leexportpy",
        directory=None,
        console=console,
        console_level=logging.INFO,
        console_format="%(levelname)s %(message)s",
    )
    logger.info("info")
    logger.debug("debug")
    assert console.getvalue() == "INFO info\n"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[io.TextIOWrapper]:
    """Give a stream of which the environment can say that it is systemd's journal."""
    with (tmp_path / "journal").open("w+") as stream:
        yield stream


def journal_stream(stream: io.TextIOWrapper) -> str:
    found = os.fstat(stream.fileno())
    return f"{found.st_dev}:{found.st_ino}"


def test_the_journal_gets_priorities_and_no_time_stamps(tmp_path: Path, journal: io.TextIOWrapper) -> None:
    setup("dailyjobs", directory=tmp_path, console=journal, environ={"JOURNAL_STREAM": journal_stream(journal)})
    logger.debug("debug")
    for level in ("info", "warning", "error", "critical"):
        getattr(logger, level)(level)
    logger.log(25, "notice")
    journal.seek(0)
    assert journal.read() == "<6>info\n<4>warning\n<3>error\n<2>critical\n<6>notice\n"


def test_each_line_of_a_journal_record_has_its_priority() -> None:
    record = logging.LogRecord("importer", logging.INFO, "x.py", 1, "a\nb", (), None)
    record.multiline = True
    assert JournalFormatter().format(record) == "<6>a\n<6>b"


@pytest.mark.parametrize("value", ["", "1:1", "nonsense"])
def test_a_console_that_is_not_the_journal_named_is_for_people(
    tmp_path: Path, journal: io.TextIOWrapper, value: str
) -> None:
    setup("dailyjobs", directory=tmp_path, console=journal, environ={"JOURNAL_STREAM": value})
    logger.info("info")
    logger.error("error")
    journal.seek(0)
    assert journal.read() == "error\n"


def test_the_log_file_is_for_owner_and_group(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        setup("dailyjobs", directory=tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "dailyjobs.log").stat().st_mode) == 0o640


def test_the_log_file_is_appended_to_and_reopened_when_rotated_away(tmp_path: Path) -> None:
    path = tmp_path / "dailyjobs.log"
    for number in range(2):
        setup("dailyjobs", directory=tmp_path)
        logger.info("run %d", number)
    path.rename(tmp_path / "dailyjobs.log.1")
    logger.info("run 2")
    assert messages(tmp_path / "dailyjobs.log.1") == ["run 0", "run 1"]
    assert messages(path) == ["run 2"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0


def test_setting_up_twice_logs_once(tmp_path: Path, console: io.StringIO) -> None:
    setup("dailyjobs", directory=tmp_path, console=console)
    setup("livestats", directory=tmp_path, console=console)
    logger.error("error")
    assert messages(tmp_path / "livestats.log") == ["error"]
    assert messages(tmp_path / "dailyjobs.log") == []
    assert console.getvalue() == "error\n"


def test_teardown_restores_what_setup_changed(tmp_path: Path) -> None:
    def state() -> object:
        names = ("", "importer", "urllib3", "requests")
        levels = [logging.getLogger(name).level for name in names]
        return levels, list(logging.getLogger().handlers), logging.raiseExceptions

    before = state()
    setup("dailyjobs", directory=tmp_path)
    assert state() != before
    teardown()
    assert state() == before
    teardown()
    assert state() == before


def test_only_our_loggers_and_the_http_library_get_a_level(tmp_path: Path) -> None:
    root = logging.getLogger().level
    setup("dailyjobs", directory=tmp_path)
    assert logging.getLogger().level == root
    assert logging.getLogger("importer").level == logging.DEBUG
    assert logging.getLogger("kafka").level == logging.NOTSET


def test_without_a_directory_there_is_no_file(
    console: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    setup("status", directory=None, console=console)
    logger.error("error")
    assert console.getvalue() == "error\n"
    assert list(tmp_path.iterdir()) == []


def test_a_log_file_that_cannot_be_opened_is_warned_of_and_stops_nothing(tmp_path: Path, console: io.StringIO) -> None:
    (tmp_path / "dailyjobs.log").mkdir()
    setup("dailyjobs", directory=tmp_path, console=console)
    logger.info("info")
    logger.warning("warning")
    assert console.getvalue() == f"log file {tmp_path}/dailyjobs.log cannot be opened: Is a directory\nwarning\n"


def test_a_log_file_that_cannot_be_written_is_told_once_and_stops_nothing(
    tmp_path: Path, console: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dailyjobs.log").symlink_to("/dev/full")
    setup("dailyjobs", directory=tmp_path, console=console)
    for _ in range(3):
        logger.info("x" * 5000)
    logger.error("error")
    teardown()
    first, second = console.getvalue().splitlines()
    assert first == f"log file {tmp_path}/dailyjobs.log cannot be written: [Errno 28] No space left on device"
    assert second == "error"
    assert capsys.readouterr().err == ""


def test_a_full_disk_leaves_no_noise_at_the_end_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "dailyjobs.log").symlink_to("/dev/full")
    program = (
        "import logging, pathlib, sys; from importer import logs;"
        "logs.setup('dailyjobs', directory=pathlib.Path(sys.argv[1])); logging.getLogger('importer').info('x')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    (line,) = done.stderr.splitlines()
    assert "No space left on device" in line


def test_a_log_directory_that_goes_away_is_told_once_and_its_return_is_used(
    tmp_path: Path, console: io.StringIO
) -> None:
    directory = tmp_path / "log"
    directory.mkdir()
    setup("dailyjobs", directory=directory, console=console)
    shutil.rmtree(directory)
    logger.info("lost")
    logger.info("lost")
    directory.mkdir()
    logger.info("kept")
    assert messages(directory / "dailyjobs.log") == ["kept"]
    shutil.rmtree(directory)
    logger.info("lost")
    told = console.getvalue().splitlines()
    assert len(told) == 2
    assert set(told) == {
        f"log file {directory}/dailyjobs.log cannot be written: "
        f"[Errno 2] No such file or directory: '{directory}/dailyjobs.log'"
    }


def test_a_console_that_was_closed_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    closed = io.StringIO()
    closed.close()
    setup("dailyjobs", directory=tmp_path, console=closed)
    logger.error("error")
    assert messages(tmp_path / "dailyjobs.log") == ["error"]
    assert capsys.readouterr().err == ""


def test_a_record_whose_arguments_do_not_fit_is_shown_as_it_is(tmp_path: Path) -> None:
    Secret("sesame")
    setup("dailyjobs", directory=tmp_path)
    logging.getLogger("importer.plugin").warning("%d rows", "sesame")
    assert messages(tmp_path / "dailyjobs.log") == ["%d rows ('***',)"]


def test_an_argument_that_cannot_be_shown_stops_nothing(tmp_path: Path, console: io.StringIO) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text for this")

    setup("dailyjobs", directory=tmp_path, console=console)
    logger.info("value=%s", Broken())
    logger.info("next")
    assert messages(tmp_path / "dailyjobs.log")[-1] == "next"
    assert "no text for this" in console.getvalue()


def test_text_from_outside_cannot_forge_a_line(tmp_path: Path) -> None:
    setup("dailyjobs", directory=tmp_path)
    logger.info("app=%s", "Shop\n2016-05-03 00:05:00,000 - ERROR -importer:main:1- forged\r\x1b[31m\u2028\x85")
    assert messages(tmp_path / "dailyjobs.log") == [
        r"app=Shop\n2016-05-03 00:05:00,000 - ERROR -importer:main:1- forged\r\x1b[31m\u2028\x85"
    ]


def test_a_record_of_our_own_may_have_several_lines(tmp_path: Path) -> None:
    setup("dailyjobs", directory=tmp_path)
    logger.info("Dummy protocol:\n%s", "STARTDATA\na.b 1 2.000\nENDDATA\x07", extra=MULTILINE)
    lines = (tmp_path / "dailyjobs.log").read_text().split("\n")
    assert lines[0].endswith("- Dummy protocol:")
    assert lines[1:] == ["STARTDATA", "a.b 1 2.000", r"ENDDATA\x07", ""]


def test_a_traceback_is_indented_and_redacted(tmp_path: Path) -> None:
    Secret("open sesame")
    setup("dailyjobs", directory=tmp_path)
    try:
        raise ValueError("open sesame\n2016-05-03 00:05:00,000 - ERROR -importer:main:1- forged")
    except ValueError:
        logger.exception("it failed", stack_info=True)
    first, *rest = (tmp_path / "dailyjobs.log").read_text().splitlines()
    assert LINE.fullmatch(first)["message"] == "it failed"
    assert "    ValueError: ***" in rest
    assert any(line.startswith("    Stack (most recent call last)") for line in rest)
    assert all(line.startswith("    ") for line in rest)


def test_formatting_leaves_no_secret_behind_for_other_handlers(tmp_path: Path) -> None:
    """Nor takes one over: a handler of somebody else may have formatted the exception before."""
    Secret("sesame")
    try:
        raise ValueError("sesame")
    except ValueError:
        record = logging.LogRecord("importer", logging.ERROR, "x.py", 1, "a", (), sys.exc_info())
    logging.Formatter().format(record)
    assert "sesame" not in RedactingFormatter("%(message)s").format(record)


def test_text_that_prints_stays_as_it_is() -> None:
    assert clean("Señor 😀 \\n %s") == "Señor 😀 \\n %s"


def test_an_escape_that_spells_a_secret_is_masked_too() -> None:
    Secret(r"a\x07b")
    assert clean("a\x07b") == "***"


PIECES = st.text(st.sampled_from("ab*\\n\n\r\x07x0'7\" é\ud800"), max_size=10)


@given(
    secrets=st.lists(PIECES, max_size=4), around=st.lists(PIECES, max_size=5), multiline=st.booleans(), data=st.data()
)
def test_no_secret_is_in_a_record_whatever_surrounds_it(
    secrets: list[str], around: list[str], multiline: bool, data: st.DataObject
) -> None:
    redactor = Redactor()
    for secret in secrets:
        redactor.register(secret)
    pieces = data.draw(st.permutations(secrets + around))
    message, *arguments = data.draw(
        st.sampled_from([("".join(pieces).replace("%", "%%"),), ("%s" * len(pieces), *pieces)])
    )
    try:
        raise ValueError("".join(pieces))
    except ValueError:
        record = logging.LogRecord("importer", logging.ERROR, "x.py", 1, message, tuple(arguments), sys.exc_info())
    record.multiline = multiline
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(credentials, "_redactor", redactor)
        shown = RedactingFormatter("%(message)s").format(record)
        journal = JournalFormatter().format(record)
    long = [secret for secret in secrets if len(secret) >= MIN_REDACTED_LENGTH]
    assert not [secret for secret in long if secret in shown.partition("\n    Traceback")[0]]
    assert not [secret for secret in long if secret in shown.rpartition("ValueError: ")[2]]
    assert all(line.isprintable() for line in shown.split("\n"))
    assert multiline or "\n" not in journal


@given(text=st.text(), multiline=st.booleans())
def test_cleaned_text_can_be_printed_and_written(text: str, multiline: bool) -> None:
    lines = clean(text, multiline=multiline).split("\n")
    assert all(line.isprintable() for line in lines)
    assert "\n".join(lines).encode() is not None
    assert len(lines) == (text.count("\n") + 1 if multiline else 1)


def test_every_level_has_a_priority_of_syslog() -> None:
    shown = [
        JournalFormatter().format(logging.LogRecord("importer", level, "x.py", 1, "a", (), None))
        for level in (0, 5, 10, 15, 20, 30, 35, 40, 50, 60)
    ]
    assert [line[:3] for line in shown] == ["<7>", "<7>", "<7>", "<7>", "<6>", "<4>", "<4>", "<3>", "<2>", "<2>"]


def test_the_format_is_the_one_that_scripts_rely_on() -> None:
    assert logs.FILE_FORMAT == "%(asctime)s - %(levelname)s -%(name)s:%(funcName)s:%(lineno)d- %(message)s"
