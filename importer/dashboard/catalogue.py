"""The embedded stores that are there, as if they were one: names to look for, and the curves of one name."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from importer.dashboard.series import Curve, Newest, SeriesReader
from importer.errors import SinkError

SUGGESTED = 4
"""Charts that are shown before anybody has chosen one."""
LIVELY = 3
"""So many different values make a curve worth a look."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A name in a store."""

    store: Path
    name: str
    label_sets: int
    newest: Newest | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A part of what a search has found."""

    total: int
    """How many names match, beyond this part too."""
    metrics: Sequence[Metric]
    problems: Sequence[str]
    """Why a store could not be looked into, a line each."""


class UnknownStore(Exception):
    """A store was asked for that is none of those that are there."""


class Catalogue:
    """Looks into the stores that `find` gives at that moment; each call opens and closes them."""

    def __init__(self, find: Callable[[], Sequence[Path]]) -> None:
        self._find = find

    def search(self, words: Iterable[str], *, offset: int, limit: int) -> Found:
        """Return the names that hold all words, capitals or not, from the offset on: by name, then by store."""
        wanted = [word.casefold() for word in words]
        found: list[Metric] = []
        problems: list[str] = []
        for path in self._find():
            try:
                names = _names(path)
            except SinkError as error:
                problems.append(str(error))
                continue
            found += [Metric(path, name, sets) for name, sets in names if _holds(name, wanted)]
        found.sort(key=lambda metric: (metric.name, metric.store))
        return Found(len(found), _with_newest(found[offset : offset + limit]), problems)

    def suggested(self) -> list[Metric]:
        """Return a few names with many different values, unlike each other; of a store that fails, none."""
        found: list[tuple[int, Metric]] = []
        for path in self._find():
            try:
                with SeriesReader(path) as reader:
                    found += [(values, Metric(path, name, 1)) for name, values in reader.varieties().items() if values]
            except SinkError:
                continue
        found.sort(key=lambda pair: (-pair[0], pair[1].name))
        return _unlike(found)

    def curves(self, store: str, name: str, *, start: float, end: float) -> tuple[list[Curve], int]:
        """Return the curves of a name in [start, end), and how many it has beyond those.

        Raises UnknownStore for a path that is not one of ours, and what SeriesReader does.
        """
        path = next((path for path in self._find() if str(path) == store), None)
        if path is None:
            raise UnknownStore(store)
        with SeriesReader(path) as reader:
            return reader.curves(name, start=start, end=end)


def _names(path: Path) -> list[tuple[str, int]]:
    with SeriesReader(path) as reader:
        return reader.names()


def _holds(name: str, words: Sequence[str]) -> bool:
    folded = name.casefold()
    return all(word in folded for word in words)


def _with_newest(metrics: Sequence[Metric]) -> list[Metric]:
    """Return metrics with their newest points; without, where a store fails that was readable a moment ago."""
    newest: dict[tuple[Path, str], Newest | None] = {}
    for path in {metric.store for metric in metrics}:
        with suppress(SinkError), SeriesReader(path) as reader:
            for metric in metrics:
                if metric.store == path:
                    newest[path, metric.name] = reader.newest(metric.name)
    return [replace(metric, newest=newest.get((metric.store, metric.name))) for metric in metrics]


def _unlike(found: Sequence[tuple[int, Metric]]) -> list[Metric]:
    """Return the first few names whose last two elements are all different, and then those whose last one is.

    A curve that hardly changes is taken only where there is no other.
    """
    lively = [metric for values, metric in found if values >= LIVELY] or [metric for _, metric in found]
    chosen: list[Metric] = []
    for compared in (2, 1):
        for metric in lively:
            seen = {element for other in chosen for element in _last_elements(other, compared)}
            if len(chosen) < SUGGESTED and not seen & _last_elements(metric, compared):
                chosen.append(metric)
    return chosen


def _last_elements(metric: Metric, count: int) -> set[str]:
    return set(metric.name.split(".")[-count:])
