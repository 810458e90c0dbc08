"""Files are read with one-line errors, followed when they change, and written whole or not at all."""

import json
import logging
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import ConfigError
from importer.logs import FILE_FORMAT, RedactingFormatter
from importer.stores import (
    MAX_FILE_BYTES,
    Blacklist,
    Reloading,
    Whitelist,
    load_entries,
    load_json,
    load_text,
    read_json_cache,
    write_private,
)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def problem(path: Path) -> str:
    """Return what load_json says of a file, without the file's name in front."""
    with pytest.raises(ConfigError) as caught:
        load_json(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text.removeprefix(str(path))


def test_json_is_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    value = load_json(write(tmp_path / "a.json", '{"z": [1, 2.5, true, null], "a": {"ü": "😀 \\ud83d\\ude00"}}'))
    assert value == {"z": [1, 2.5, True, None], "a": {"ü": "😀 😀"}}
    assert list(value) == ["z", "a"]


def test_a_byte_order_mark_is_no_trouble(tmp_path: Path) -> None:
    assert load_json(write(tmp_path / "a.json", b'\xef\xbb\xbf{"a": 1}')) == {"a": 1}


def test_line_ends_of_other_systems_are_read_as_ours(tmp_path: Path) -> None:
    assert load_text(write(tmp_path / "a", "a\r\nb\rc\n")) == "a\nb\nc\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ": is empty; JSON is expected"),
        (b" \n\t", ": is empty; JSON is expected"),
        (b'{"a": 1,\n"b": }', ":2: is not JSON: Expecting value (column 6)"),
        (b'{"a": 1\r\n"b": 2}', ":2: is not JSON: Expecting ',' delimiter (column 1)"),
        (b'{"a": 1} x', ":1: is not JSON: Extra data (column 10)"),
        (b'{"a": 1}\n\n"\xff"', ":3: is not UTF-8 text"),
        (b'{"a": 1, "a": 2}', ': gives the key "a" twice'),
        (b'[{"b": {"a": 1, "x;y": 2, "x;y": 2}}]', ': gives the key "x;y" twice'),
        (b'{"a": NaN}', ": holds NaN, which is not a finite number"),
        (b'{"a": -Infinity}', ": holds -Infinity, which is not a finite number"),
        (b'{"a": 1e999}', ": holds 1e999, which is not a finite number"),
        (b'{"a": "\\ud800"}', r": holds half a character, such as \ud800"),
        (b"[" * 100_000, ": is nested too deeply"),
        (b"1" * 5000, ": holds a number of too many digits"),
    ],
)
def test_what_is_no_json_is_told_in_one_line(tmp_path: Path, content: bytes, expected: str) -> None:
    assert problem(write(tmp_path / "a.json", content)) == expected


def test_a_missing_file_is_told_in_one_line(tmp_path: Path) -> None:
    assert problem(tmp_path / "a.json") == ": does not exist"


def test_a_directory_is_told_in_one_line(tmp_path: Path) -> None:
    assert problem(tmp_path) == ": cannot be read: Is a directory"


def test_a_file_that_may_not_be_read_is_told_in_one_line() -> None:
    mine = Path("/proc/self/mem")  # which not even root reads from its beginning
    assert problem(mine) == ": cannot be read: Input/output error"


def test_what_no_file_can_be_called_is_told_in_one_line() -> None:
    with pytest.raises(ConfigError, match="is not the name of a file"):
        load_text(Path("a\0b"))


def test_a_huge_file_is_not_read_whole() -> None:
    assert problem(Path("/dev/zero")) == f": is larger than {MAX_FILE_BYTES} bytes"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(value=JSON_VALUES, ensure_ascii=st.booleans())
def test_whatever_is_written_as_json_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, value: object, ensure_ascii: bool
) -> None:
    path = tmp_path_factory.mktemp("json", numbered=True) / "a.json"
    write(path, json.dumps(value, ensure_ascii=ensure_ascii))
    assert load_json(path) == value


@given(content=st.binary(max_size=60))
def test_no_file_content_gives_another_error_than_a_configuration_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = write(tmp_path_factory.mktemp("junk", numbered=True) / "a.json", content)
    try:
        load_json(path)
    except ConfigError as error:
        assert str(path) in str(error)


def test_a_value_is_made_again_when_its_file_has_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", "[1]")
    loads: list[Path] = []

    def load(path: Path) -> object:
        loads.append(path)
        return load_json(path)

    value = Reloading(path, load)
    assert value.get() == value.get() == [1]
    write(path, "[1, 2]")
    assert value.get() == value.get() == [1, 2]
    assert loads == [path, path]


def test_a_file_of_the_same_size_and_time_that_was_moved_there_is_noticed(tmp_path: Path) -> None:
    path, other = write(tmp_path / "a.json", "[1]"), write(tmp_path / "b.json", "[2]")
    os.utime(path, ns=(5, 5))
    os.utime(other, ns=(5, 5))
    value = Reloading(path, load_json)
    other.replace(path)
    assert value.get() == [2]


def test_an_older_file_that_was_moved_there_is_noticed(tmp_path: Path) -> None:
    path, other = write(tmp_path / "a.json", "[1]"), write(tmp_path / "b.json", "[2]")
    os.utime(other, (5, 5))
    value = Reloading(path, load_json)
    other.replace(path)
    assert value.get() == [2]
    assert value.modified_seconds == 5.0


@pytest.mark.parametrize("spoil", [lambda path: write(path, "[2"), Path.unlink], ids=["wrong", "gone"])
def test_the_last_good_value_stays_and_one_line_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil
) -> None:
    path = write(tmp_path / "a.json", "[1]")
    os.utime(path, (5, 5))
    value = Reloading(path, load_json)
    spoil(path)
    assert [value.get(), value.get(), value.get()] == [[1]] * 3
    assert value.modified_seconds == 5.0
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert str(path) in errors[0].getMessage()
    write(path, "[3, 4]")
    assert value.get() == [3, 4]
    write(path, "[5")
    assert value.get() == [3, 4]
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 2


def test_a_file_that_becomes_readable_is_read(tmp_path: Path) -> None:
    """As when a chmod mends it: neither content nor modification time has changed then."""
    path = write(tmp_path / "a.json", "[1]")
    is_readable = False

    def load(path: Path) -> object:
        if not is_readable and path.stat().st_size != 3:
            return load_json(tmp_path / "missing")
        return load_json(path)

    value = Reloading(path, load)
    write(path, "[1, 2]")
    assert value.get() == [1]
    is_readable = True
    path.chmod(0o600)
    assert value.get() == [1, 2]


def test_without_a_good_value_to_begin_with_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        Reloading(tmp_path / "a.json", load_json)


def test_a_thread_waits_for_the_value_that_another_one_is_making(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", "[1]")
    got: list[object] = []
    finished = threading.Event()

    def get() -> None:
        got.append(value.get())
        finished.set()

    other = threading.Thread(target=get)
    loads: list[Path] = []

    def load(path: Path) -> object:
        loads.append(path)
        if len(loads) == 2:
            other.start()
            assert not finished.wait(timeout=0.1)
        return load_json(path)

    value = Reloading(path, load)
    write(path, "[1, 2]")
    assert value.get() == [1, 2]
    other.join()
    assert got == [[1, 2]]
    assert len(loads) == 2


def test_entries_of_a_text_list_are_its_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path / "services.whitelist",
        "# Web services\n\napi.bikeshop.example\n \t cdn.bikeshop.example  \r\n  # pay.example\n"
        "web.example # not a comment\n",
    )
    assert load_entries(path) == {"api.bikeshop.example", "cdn.bikeshop.example", "web.example # not a comment"}


ENTRIES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r"), min_size=1).filter(
    lambda text: text == text.strip() and not text.startswith(("#", "\ufeff"))
)
NOISE = st.sampled_from(["", "   ", "# comment", "  #x", "\t"])


@given(entries=st.lists(ENTRIES, max_size=6), data=st.data())
def test_every_entry_and_nothing_else_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, entries: list[str], data: st.DataObject
) -> None:
    blanks = st.sampled_from(["", " ", "\t", " \t "])
    padded = [data.draw(blanks) + entry + data.draw(blanks) for entry in entries]
    lines = data.draw(st.permutations(padded + data.draw(st.lists(NOISE, max_size=4))))
    path = tmp_path_factory.mktemp("list", numbered=True) / "entries"
    write(path, data.draw(st.sampled_from(["\n", "\r\n"])).join(lines))
    assert load_entries(path) == set(entries)


def test_a_text_list_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "app.blacklist", b"a\nb\n\xe9\n")
    with pytest.raises(ConfigError, match=r"app\.blacklist:3: is not UTF-8 text"):
        Blacklist(path)


def test_a_blacklist_allows_what_is_not_in_it_and_logs_each_look_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "app.blacklist", "# Old test app\n52d0d4\n*\n")
    blacklist = Blacklist(path)
    with caplog.at_level(logging.DEBUG, "importer"):
        assert not blacklist.allows("52d0d4")
        assert blacklist.allows("52D0D4")
        assert blacklist.allows("52d0d")
    assert caplog.messages == [f"REJECT: 52d0d4 in blacklist: {path}", "ALLOWED: 52D0D4", "ALLOWED: 52d0d"]
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}


def test_a_blacklist_tells_when_it_was_written(tmp_path: Path) -> None:
    path = write(tmp_path / "app.blacklist", "a\n")
    os.utime(path, ns=(0, 1462147200_250_000_000))
    blacklist = Blacklist(path)
    assert blacklist.modified_seconds == 1462147200.25
    write(path, "b\n")
    os.utime(path, (1462147300, 1462147300))
    assert blacklist.modified_seconds == 1462147300
    assert not blacklist.allows("b")


def test_a_whitelist_allows_what_is_in_it_and_logs_each_look_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "services.whitelist", "api.bikeshop.example\n")
    whitelist = Whitelist(path)
    with caplog.at_level(logging.DEBUG, "importer"):
        assert whitelist.allows("api.bikeshop.example")
        assert not whitelist.allows("ads.example")
        write(path, "ads.example\n# more\n")
        assert whitelist.allows("ads.example")
    look_ups = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    assert look_ups == [
        "ALLOWED: api.bikeshop.example",
        f"REJECT: ads.example not in whitelist: {path}",
        "ALLOWED: ads.example",
    ]


def test_the_seventh_field_of_a_rejecting_log_line_is_the_host(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whitelist = Whitelist(write(tmp_path / "services.whitelist", ""))
    with caplog.at_level(logging.DEBUG, "importer"):
        whitelist.allows("ads.example")
    line = RedactingFormatter(FILE_FORMAT).format(caplog.records[-1])
    assert line.split()[5:7] == ["REJECT:", "ads.example"]


def test_a_file_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "token.json"
    write_private(path, '{"ü": 1}')
    assert path.read_bytes() == '{"ü": 1}'.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_private(path, b"\xff", mode=0o640)
    assert path.read_bytes() == b"\xff"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_that_has_the_old_file_open_reads_it_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "token.json", "old")
    with path.open() as reader:
        write_private(path, "new and longer")
        assert reader.read() == "old"


def test_nothing_is_left_behind_when_a_file_cannot_be_written(tmp_path: Path) -> None:
    target = tmp_path / "token.json"
    target.mkdir()
    with pytest.raises(IsADirectoryError):
        write_private(target, "new")
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(FileNotFoundError):
        write_private(tmp_path / "missing/token.json", "new")
    with pytest.raises(UnicodeEncodeError):
        write_private(tmp_path / "other.json", "\ud800")
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_is_on_disk_before_it_takes_the_place_of_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "token.json", "old")
    seen: list[tuple[bool, str]] = []
    fsync = os.fsync

    def watch(descriptor: int) -> None:
        seen.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.read_text()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    write_private(path, "new")
    assert seen == [(False, "old"), (True, "new")]


def test_a_cache_is_read_back(tmp_path: Path) -> None:
    assert read_json_cache(write(tmp_path / "apps.json", '{"a": [1]}')) == {"a": [1]}


def test_a_missing_cache_is_nothing_to_speak_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_json_cache(tmp_path / "apps.json") is None
    assert caplog.records == []


@pytest.mark.parametrize("content", ["", "{", '{"access_token": "sesame', "[1]", "null", "\0"])
def test_a_damaged_cache_counts_as_absent_and_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    path = write(tmp_path / "token.json", content)
    assert read_json_cache(path) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(path) in caplog.text
    assert "sesame" not in caplog.text


def test_a_file_is_looked_at_no_more_often_than_is_said(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("one")
    now = [0.0]
    followed = Reloading(path, load_text, look_seconds=2.0, clock=lambda: now[0])
    path.write_text("two, of another size")
    assert followed.get() == "one"
    now[0] = 1.9
    assert followed.get() == "one"
    now[0] = 2.0
    assert followed.get() == "two, of another size"
