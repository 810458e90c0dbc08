"""Metric families and their series, as a poll leaves them: what is shown, printed and pushed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, cast, overload

Labels = tuple[tuple[str, str], ...]
"""Names and values, in the order in which they are shown."""

KINDS = ("counter", "gauge", "summary", "histogram", "untyped", "info", "stateset", "gaugehistogram")
"""The last three are OpenMetrics', and come from collectors of users alone."""


class Series:
    """What a sample is known by, and its text in an exposition up to the value: made once, used at every scrape.

    >>> Series("stock", (("team", 'a "b"'),)).text
    'stock{team="a \\\\"b\\\\""} '
    """

    __slots__ = ("_last", "labels", "name", "text")

    def __init__(self, name: str, labels: Labels = ()) -> None:
        self.name = name
        """Of the sample, with its suffix: `orders_total`, `wait_seconds_bucket`."""
        self.labels = labels
        self.text = f"{name}{_label_text(labels)} "
        self._last = (0.0, "")

    def line(self, value: float, shown: Callable[[float], str]) -> str:
        """Return the line of a sample with a value that is costly to print: that of last time if it is the same."""
        last = self._last
        if last[0] != value:
            self._last = last = (value, f"{self.text}{shown(value)}\n")
        return last[1]


class Sample(NamedTuple):
    """A series' value."""

    series: Series
    value: float


_to_sample = cast(Callable[[tuple[Series, float]], Sample], partial(tuple.__new__, Sample))
"""Sample(*pair), at a third of the cost."""


class SampleColumns(Sequence[Sample]):
    """Samples as two lists: many of them live long without costing the garbage collector a look at each."""

    __slots__ = ("_series", "_values")

    def __init__(self, series: Sequence[Series], values: Sequence[float]) -> None:
        self._series = series
        self._values = values

    def __len__(self) -> int:
        return len(self._series)

    def __iter__(self) -> Iterator[Sample]:
        return map(_to_sample, self.pairs())

    def pairs(self) -> Iterator[tuple[Series, float]]:
        """Yield the samples as plain pairs, which cost less."""
        return zip(self._series, self._values, strict=True)

    @overload
    def __getitem__(self, place: int) -> Sample: ...
    @overload
    def __getitem__(self, place: slice) -> "SampleColumns": ...
    def __getitem__(self, place: int | slice) -> "Sample | SampleColumns":
        if isinstance(place, slice):
            return SampleColumns(self._series[place], self._values[place])
        return Sample(self._series[place], self._values[place])


class Extra(NamedTuple):
    """What stands behind a sample's value, a blank before it: hardly ever there is any."""

    plain: str
    """In the text format: its time."""
    openmetrics: str
    """In OpenMetrics: its time and exemplar."""


@dataclass(frozen=True, slots=True)
class Family:
    """The samples of one metric, all of one poll."""

    name: str
    """Without the suffixes of its samples: a counter's has no `_total`."""
    kind: str
    """One of KINDS."""
    help: str
    samples: Sequence[Sample]
    unit: str = ""
    extras: Mapping[Series, Extra] = field(default_factory=dict)
    """Of the samples that have any."""


def escape_label_value(value: str) -> str:
    """Return a label's value as it stands between quotes."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _label_text(labels: Iterable[tuple[str, str]]) -> str:
    pairs = ",".join([f'{name}="{escape_label_value(value)}"' for name, value in labels])
    return f"{{{pairs}}}" if pairs else ""
