"""From a destination's description to its sink: one object, or a list of them, the same for every command.

    {"protocol": "plain", "host": "carbon.example.org", "port": 2003}
    [{"protocol": "plain", ...}, {"protocol": "sqlite"}]

Each destination gets its own lane in the outbox. Beside graphite.json, each file of graphite.d holds one or several.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from importer.config import ObjectReader
from importer.drop_ins import drop_in_files
from importer.errors import ConfigError, Problem
from importer.outbox import MAX_LANE_BYTES
from importer.sinks import PROTOCOLS, sink_class
from importer.sinks.base import PointSink
from importer.stores import load_json

FILE = "graphite.json"
DIRECTORY = "graphite.d"
"""What adds to FILE, file by file, or takes its place."""
SUFFIX = ".json"

DEFAULT_PROTOCOL = "plain"
SHARED_KEYS = ("host", "port", "max_buffer")
"""Keys that graphite.json has always had: accepted for every protocol, so that switching it is one edit."""


def load_destinations(path: Path, *, state: Path) -> list[PointSink]:
    """Return the sinks that a file describes; `state` is where the embedded store lies unless it says otherwise.

    Raises ConfigError with every mistake in the file.
    """
    problems: list[Problem] = []
    sinks = read_destinations(path, load_json(path), problems, state=state)
    if problems:
        raise ConfigError(problems)
    return sinks


def load_all_destinations(folder: Path, *, state: Path) -> list[PointSink]:
    """Return the sinks that graphite.json of a folder and then the files of graphite.d describe.

    The first may be missing where there is one of the others. Raises ConfigError with every mistake in all of them.
    """
    path, drop_ins = folder / FILE, drop_in_files(folder / DIRECTORY, SUFFIX)
    if not drop_ins:
        return load_destinations(path, state=state)
    problems: list[Problem] = []
    sinks: list[PointSink] = []
    places: dict[str, Path] = {}
    for file in [path, *drop_ins] if os.path.lexists(path) else drop_ins:
        found = _load_some(file, problems, state=state)
        problems += [_named_elsewhere(file, sink.lane, places) for sink in found if sink.lane in places]
        places |= {sink.lane: file for sink in found}
        sinks += found
    if problems:
        raise ConfigError(problems)
    return sinks


def _load_some(path: Path, problems: list[Problem], *, state: Path) -> list[PointSink]:
    """Return the sinks of one file of several; what is wrong with it is added to `problems`."""
    try:
        content = load_json(path)
    except ConfigError as error:
        problems += error.problems
        return []
    return read_destinations(path, content, problems, state=state)


def _named_elsewhere(path: Path, lane: str, places: Mapping[str, Path]) -> Problem:
    return Problem(path, f"is named in {places[lane]}, too; keep one of them", key=lane)


def read_destinations(
    path: Path, content: object, problems: list[Problem], *, state: Path, where: str = ""
) -> list[PointSink]:
    """Return the sinks that content describes, an object or a list of them; what is wrong is added to `problems`.

    It stands in the file at path, under the key `where`, if it is not all of it.
    """
    descriptions = content if isinstance(content, list) else [content]
    if not descriptions:
        problems.append(Problem(path, "names no destination", key=where))
    sinks = []
    for number, description in enumerate(descriptions, start=1):
        place = f"{where}[{number}] " if isinstance(content, list) else f"{where}." if where else ""
        keys = ObjectReader(path, description, where=place, problems=problems)
        sink = _build_described(keys, state=state)
        if sink is not None:
            sinks.append(sink)
    problems += _shared_lanes(path, sinks)
    return sinks


def build_sink(keys: ObjectReader, *, state: Path, protocol: str) -> PointSink | None:
    """Return the sink that keys describe, by one of PROTOCOLS; None after adding to `keys.problems` what is wrong."""
    already = len(keys.problems)
    sink = sink_class(protocol).from_keys(keys, state=state)
    sink.outbox_max_bytes = keys.integer("outbox_max_bytes", MAX_LANE_BYTES, minimum=1)
    return sink if len(keys.problems) == already else None


def _build_described(keys: ObjectReader, *, state: Path) -> PointSink | None:
    """Return the sink of a description that has nothing else in it, as `build_sink` does."""
    already = len(keys.problems)
    protocol = keys.choice("protocol", PROTOCOLS, DEFAULT_PROTOCOL)
    if len(keys.problems) > already:
        return None
    sink = build_sink(keys, state=state, protocol=protocol)
    for key in SHARED_KEYS:
        keys.value(key)
    keys.refuse_unknown()
    return sink if len(keys.problems) == already else None


def _shared_lanes(path: Path, sinks: Sequence[PointSink]) -> list[Problem]:
    """Return a problem for each name of several destinations: they would share a lane, and one of them would starve."""
    lanes = [sink.lane for sink in sinks]
    twice = sorted({lane for lane in lanes if lanes.count(lane) > 1})
    return [Problem(path, "is named twice; keep one of them", key=lane) for lane in twice]
