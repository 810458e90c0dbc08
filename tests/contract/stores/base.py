"""What a test has of every destination's store: a description for a configuration, and all that is in it.

What a store has to call a point is worked out here by rules of the tests' own, from the pages in docs/systems/ and not
from the encoders.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from math import isclose
from pathlib import Path
from typing import NamedTuple

from importer.config import ObjectReader
from importer.destinations import build_sink
from importer.points import Labels, Point
from importer.sinks.base import PointSink
from tests.servers.process import wait_until

WAIT_SECONDS = 30.0
"""How long a store may take to show what it was given."""
MAX_BUFFER = 3
"""Points in a payload, where that can be set: so few that a handful of points makes several."""
NO_TIME = 0.0
"""The time of a point in a store that keeps none."""


class Key(NamedTuple):
    """What a store tells points apart by."""

    name: str
    labels: Labels
    timestamp: float
    """In seconds since 1970 UTC."""


Held = dict[Key, float]
"""What a store holds, or should."""


def graphite_name(path: Iterable[str], labels: Labels = ()) -> str:
    """Return what carbon calls a point: label values follow the path, in the order of the label names.

    >>> graphite_name(("shop", "Fahrräder (NL)", "6.1"), (("zone", "eu"), ("os", "ios")))
    'shop.Fahrräder_NL.6-1.ios.eu'
    """
    return ".".join(map(graphite_element, (*path, *(value for _, value in sorted(labels)))))


def graphite_element(text: str) -> str:
    """Return one element of a path, of which letters, digits, `_`, `-` and pictures are left."""
    told_apart = re.sub(r"[ ,:;]", "_", text).replace(".", "-")
    return re.sub(r"[^\w\U0001F000-\U0001FAFF-]", "", told_apart) or "_"


def prometheus_name(path: Iterable[str]) -> str:
    """Return what Prometheus calls a path.

    >>> prometheus_name(("shop", "Bike-Shop", "6.1"))
    'shop_Bike_Shop_6_1'
    """
    return re.sub(r"[^a-zA-Z0-9_:]", "_", "_".join(path))


class Store(ABC):
    """Where a sink delivers to. It can be read, and mostly it can go away and come back."""

    has_labels = True
    """Whether labels are kept apart from names."""
    digits = 17
    """How many digits of a value are kept; 17 are all."""

    def __init__(self, root: str, state: Path) -> None:
        self.root = root
        """The first element of all names that a test gives: nobody else's are read."""
        self.state = state

    @abstractmethod
    def description(self) -> dict[str, object]:
        """Return the destination as a configuration describes it."""

    @abstractmethod
    def read_back(self, wanted: re.Pattern[str]) -> Held:
        """Return all points in the store by now whose names begin as is wanted."""

    def start(self) -> None:
        """Let the store be there again."""
        return

    def stop(self) -> None:
        """Take the store away."""
        return

    def close(self) -> None:
        """End what this object has started."""
        return

    def sink(self, **keys: object) -> PointSink:
        """Return a new sink for this store, with payloads of MAX_BUFFER points where that can be set."""
        description = {"max_buffer": MAX_BUFFER, **self.description(), **keys}
        reader = ObjectReader(Path("graphite.json"), description)
        sink = build_sink(reader, state=self.state, protocol=str(description["protocol"]))
        assert sink is not None, reader.problems
        return sink

    def key(self, path: tuple[str, ...], labels: Labels, timestamp: float) -> Key:
        """Return what the store has to call a point."""
        if not self.has_labels:
            return Key(graphite_name(path, labels), (), self.time(timestamp))
        return Key(graphite_name(path), tuple(sorted(labels)), self.time(timestamp))

    def time(self, timestamp: float) -> float:
        """Return the time that the store keeps of a time."""
        return timestamp

    def expected(self, points: Iterable[Point]) -> Held:
        """Return what the store has to hold of these points, the later of which count."""
        return {self.key(point.path, point.labels, point.timestamp): point.value for point in points}

    def held(self) -> Held:
        """Return all points of this test in the store by now."""
        return self.read_back(re.compile(rf"{self.root}[._]"))

    def wait_for(self, expected: Mapping[Key, float], wanted: re.Pattern[str] | None = None) -> None:
        """Return once the store holds exactly these points. Raises ServerFailed, with the difference."""
        pattern = wanted or re.compile(rf"{self.root}[._]")
        wait_until(
            lambda: not self.differences(expected, self.read_back(pattern)),
            lambda: self.differences(expected, self.read_back(pattern)),
            deadline_seconds=WAIT_SECONDS,
        )

    def wait_for_some(self, expected: Mapping[Key, float]) -> None:
        """Return once the store holds these points, among others. Raises ServerFailed, with the difference."""

        def difference() -> str:
            held = self.held()
            return self.differences(expected, {key: value for key, value in held.items() if key in expected})

        wait_until(lambda: not difference(), difference, deadline_seconds=WAIT_SECONDS)

    def differences(self, expected: Mapping[Key, float], held: Mapping[Key, float]) -> str:
        """Return what is missing, what is too much and what is wrong; nothing if all is as it should be."""
        missing = sorted(expected.keys() - held.keys())
        extra = sorted(held.keys() - expected.keys())
        wrong = {
            key: (value, expected[key])
            for key, value in held.items()
            if key in expected and not self._is_same(value, expected[key])
        }
        told = {"missing": missing[:5], "not expected": extra[:5], "wrong (held, expected)": wrong}
        return "; ".join(f"{what}: {which}" for what, which in told.items() if which)

    def _is_same(self, held: float, expected: float) -> bool:
        return held == expected or (self.digits < 17 and isclose(held, expected, rel_tol=10 ** (1 - self.digits)))
