"""graphite.d: destinations file by file, beside graphite.json or in its place."""

import json
from pathlib import Path

import pytest

from importer.destinations import load_all_destinations
from importer.errors import ConfigError

CARBON = {"host": "127.0.0.1", "port": 2003}


def write(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def lanes(folder: Path) -> list[str]:
    return [sink.lane for sink in load_all_destinations(folder, state=folder)]


def problems(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        lanes(folder)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_drop_ins_come_after_the_file_by_name_one_or_several_each(tmp_path: Path) -> None:
    write(tmp_path, "graphite.d/20.json", [{**CARBON, "port": 3}, {**CARBON, "port": 4}])
    write(tmp_path, "graphite.d/10.json", {**CARBON, "port": 2})
    write(tmp_path, "graphite.json", {**CARBON, "port": 1})
    write(tmp_path, "graphite.d/.30.json", "not looked at")
    assert lanes(tmp_path) == [f"plain://127.0.0.1:{port}" for port in (1, 2, 3, 4)]


def test_a_drop_in_can_take_the_place_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, "graphite.d/10.json", CARBON)
    assert lanes(tmp_path) == ["plain://127.0.0.1:2003"]


def test_without_any_file_the_first_one_is_missing(tmp_path: Path) -> None:
    (tmp_path / "graphite.d").mkdir()
    assert problems(tmp_path) == ["graphite.json: does not exist"]


def test_mistakes_of_all_files_are_told_each_with_its_file(tmp_path: Path) -> None:
    write(tmp_path, "graphite.json", {**CARBON, "port": 0})
    (write(tmp_path, "graphite.d/10.json", CARBON)).write_text("{\n]")
    write(tmp_path, "graphite.d/20.json", [CARBON, {**CARBON, "colour": 1}])
    write(tmp_path, "graphite.d/30.json", [])
    assert problems(tmp_path) == [
        "graphite.json: port: 0 is not a whole number from 1 to 65535",
        "graphite.d/10.json:2: is not JSON: Expecting property name enclosed in double quotes (column 1)",
        "graphite.d/20.json: [2] colour: improper key",
        "graphite.d/30.json: names no destination",
    ]


def test_a_destination_in_two_files_is_told_with_both(tmp_path: Path) -> None:
    write(tmp_path, "graphite.json", CARBON)
    write(tmp_path, "graphite.d/10.json", CARBON)
    (line,) = problems(tmp_path)
    assert line == "graphite.d/10.json: plain://127.0.0.1:2003: is named in graphite.json, too; keep one of them"


def test_a_secret_lies_beside_the_drop_in_that_names_it(tmp_path: Path) -> None:
    keys = {"protocol": "influxdb", "url": "http://127.0.0.1:8086", "bucket": "b", "org": "o", "token_file": "token"}
    write(tmp_path, "graphite.d/10.json", keys)
    assert problems(tmp_path) == ["graphite.d/10.json: token_file: graphite.d/token does not exist"]
    (tmp_path / "graphite.d" / "token").write_text("hush-hush")
    assert len(lanes(tmp_path)) == 1
