"""Metric families and their series, as a poll leaves them: what is shown, printed and pushed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Labels = tuple[tuple[str, str], ...]
"""Names and values, in the order in which they are shown."""

KINDS = ("counter", "gauge", "summary", "histogram", "untyped")


class Series:
    """What a sample is known by, and its text in an exposition up to the value: made once, used at every scrape.

    >>> Series("stock", (("team", 'a "b"'),)).text
    'stock{team="a \\\\"b\\\\""} '
    """

    __slots__ = ("labels", "name", "text")

    def __init__(self, name: str, labels: Labels = ()) -> None:
        self.name = name
        """Of the sample, with its suffix: `orders_total`, `wait_seconds_bucket`."""
        self.labels = labels
        self.text = f"{name}{_label_text(labels)} "


class Sample(NamedTuple):
    """A series' value."""

    series: Series
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """The samples of one metric, all of one poll."""

    name: str
    """Without the suffixes of its samples: a counter's has no `_total`."""
    kind: str
    """One of KINDS."""
    help: str
    samples: Sequence[Sample]


def escape_label_value(value: str) -> str:
    """Return a label's value as it stands between quotes."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _label_text(labels: Iterable[tuple[str, str]]) -> str:
    pairs = ",".join([f'{name}="{escape_label_value(value)}"' for name, value in labels])
    return f"{{{pairs}}}" if pairs else ""
