"""Which files of a drop-in directory count, and in which order."""

from pathlib import Path

import pytest

from importer.drop_ins import drop_in_files, stamps_of
from importer.errors import ConfigError


def test_files_of_the_right_ending_come_by_name(tmp_path: Path) -> None:
    for name in ("20-b.json", "10-a.json", "a.json", "notes.txt", "B.json"):
        (tmp_path / name).touch()
    assert [path.name for path in drop_in_files(tmp_path, ".json")] == ["10-a.json", "20-b.json", "B.json", "a.json"]


@pytest.mark.parametrize(
    "name",
    [
        ".a.json",
        ".a.json.swp",
        "a.json~",
        "a.json.bak",
        "a.json.dpkg-new",
        "a.json.dpkg-old",
        "a.json20161122-1234-abc",
    ],
)
def test_what_editors_and_packages_leave_is_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert drop_in_files(tmp_path, ".json") == []


def test_there_need_be_no_directory(tmp_path: Path) -> None:
    assert drop_in_files(tmp_path / "absent.d", ".json") == []


def test_a_directory_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    loop = tmp_path / "loop.d"
    loop.symlink_to(loop)
    with pytest.raises(ConfigError, match=r"loop\.d: cannot be read: Too many levels"):
        drop_in_files(loop, ".json")


def test_a_file_in_its_place_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "file.d").touch()
    with pytest.raises(ConfigError, match=r"file\.d: cannot be read: Not a directory"):
        drop_in_files(tmp_path / "file.d", ".json")


def test_a_link_to_nowhere_is_a_mistake_and_one_to_a_directory_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link.d").symlink_to("target")
    with pytest.raises(ConfigError, match=r"link\.d: cannot be read: No such file or directory"):
        drop_in_files(tmp_path / "link.d", ".json")
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "a.json").touch()
    assert drop_in_files(tmp_path / "link.d", ".json") == [tmp_path / "link.d" / "a.json"]


def test_the_state_of_files_differs_once_one_is_added_changed_or_removed(tmp_path: Path) -> None:
    config, folder = tmp_path / "config.ini", tmp_path / "searches.d"
    folder.mkdir()
    states = [stamps_of(config, folder, ".ini")]

    def has_changed() -> bool:
        states.append(stamps_of(config, folder, ".ini"))
        return states[-1] != states[-2]

    assert not has_changed()
    config.write_text("a")
    assert has_changed()
    (folder / "x.ini").write_text("a")
    assert has_changed()
    (folder / "x.ini").write_text("longer")
    assert has_changed()
    (folder / "x.ini~").write_text("a")
    assert not has_changed()
    (folder / "x.ini").unlink()
    assert has_changed()
    folder.joinpath("x.ini~").unlink()
    folder.rmdir()
    assert not has_changed()
    folder.symlink_to("nowhere")
    assert has_changed()
    assert not has_changed()
