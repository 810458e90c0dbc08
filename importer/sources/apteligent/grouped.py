"""groupedby: running totals of the day, by app version and by group of carriers."""

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from importer.errors import BadAnswer, SourceError
from importer.group_map import Groups
from importer.points import Batch, Point
from importer.sources.apteligent.asking import SOURCE, Account, App
from importer.sources.apteligent.parse import Slices, parse_pie
from importer.sources.base import Missing, Source

logger = logging.getLogger(__name__)

VERSION_METRICS = ("dau", "appLoads", "crashes", "crashPercent", "affectedUsers", "affectedUserPercent")
CARRIER_METRICS = ("crashes", "crashPercent", "appLoads")
Question = tuple[App, str]


@dataclass(frozen=True, slots=True)
class Pie:
    """The slices of one metric, and when they were asked for, in whole seconds since 1970 UTC."""

    slices: Slices
    asked_at: int


class _PieSource(Source):
    """What both groupings share: a question for each app and metric."""

    group_by: str

    def __init__(self, account: Account) -> None:
        self._account = account

    def _ask(self, question: Question) -> Pie:
        app, metric = question
        asked_at = int(self._account.clock())
        answer = self._account.api.pie(app.id, metric, group_by=self.group_by)
        try:
            return Pie(parse_pie(answer), asked_at)
        except ValueError as error:
            raise BadAnswer(SOURCE, f"{metric}: {error}") from error

    def _missing(self, question: Question, reason: SourceError | str) -> Missing:
        app, metric = question
        error = reason if isinstance(reason, SourceError) else BadAnswer(SOURCE, reason)
        return Missing(f"{metric} by {self.group_by} of {app.name} ({app.id})", error)

    def _problems(self, question: Question, answer: Pie | SourceError) -> Iterator[Missing]:
        if isinstance(answer, SourceError):
            yield self._missing(question, answer)
            return
        for problem in answer.slices.problems:
            yield self._missing(question, problem)
        if not answer.slices.values and not answer.slices.problems:
            logger.warning("no figures: app=%s metric=%s by=%s", question[0].name, question[1], self.group_by)


class VersionSource(_PieSource):
    """Six metrics of each app by version."""

    name = "groupedby appversion"
    group_by = "appVersion"

    def collect(self, cursors: Mapping[str, int]) -> Iterator[Batch | Missing]:
        """Yield a batch for each app and metric."""
        questions = itertools.product(self._account.apps(), VERSION_METRICS)
        for question, answer in self._account.ask(questions, self._ask):
            yield from self._problems(question, answer)
            if isinstance(answer, Pie):
                yield Batch(tuple(self._points(question, answer)))

    def _points(self, question: Question, pie: Pie) -> Iterator[Point]:
        app, metric = question
        for version, value in pie.slices.values.items():
            path = ("groupedby", "appversion", version, metric)
            yield self._account.point(app, *path, value=value, timestamp=pie.asked_at)


class CarrierSource(_PieSource):
    """Three metrics of each app whose country is known, by the groups that carrier.map makes of its carriers."""

    name = "groupedby carrier"
    group_by = "carrier"

    def __init__(self, account: Account, countries: Mapping[str, str | None], group_map: Mapping[str, Groups]) -> None:
        super().__init__(account)
        self._countries = countries
        self._group_map = group_map

    def collect(self, cursors: Mapping[str, int]) -> Iterator[Batch | Missing]:
        """Yield a batch for each app, once its three metrics were answered: one is worked out from the others."""
        apps = [app for app in self._account.apps() if self._has_groups(app)]
        answers = self._account.ask(itertools.product(apps, CARRIER_METRICS), self._ask)
        pending: list[tuple[Question, Pie | SourceError]] = []
        try:
            for answer in answers:
                if pending and pending[0][0][0] != answer[0][0]:
                    yield from self._outcomes(pending)
                    pending = []
                pending.append(answer)
        except SourceError:
            yield from self._outcomes(pending)
            raise
        yield from self._outcomes(pending)

    def _has_groups(self, app: App) -> bool:
        country = self._countries.get(app.id)
        if country is None:
            logger.warning("app without a country, carriers are left out: app=%s id=%s", app.name, app.id)
            return False
        if country not in self._group_map:
            logger.warning("country without a section in carrier.map: country=%s app=%s", country, app.name)
            return False
        return True

    def _outcomes(self, answers: Sequence[tuple[Question, Pie | SourceError]]) -> Iterator[Batch | Missing]:
        pies = {}
        for question, answer in answers:
            yield from self._problems(question, answer)
            if isinstance(answer, Pie):
                pies[question[1]] = answer
        if not pies:
            return
        question = answers[0][0]
        try:
            yield Batch(tuple(self._points(question[0], pies)))
        except (ValueError, OverflowError) as error:  # sums of numbers that are just about finite
            yield self._missing(question, f"figures that cannot be added up: {error}")

    def _points(self, app: App, pies: Mapping[str, Pie]) -> Iterator[Point]:
        groups = {metric: self._group(app, pie.slices) for metric, pie in pies.items()}
        figures: dict[str, dict[str, float]] = {
            metric: {group: sum(carriers.values()) for group, carriers in groups[metric].items()}
            for metric in ("crashes", "appLoads")
            if metric in groups
        }
        figures["crashPercent"] = _crash_percent(groups, figures)
        for metric in CARRIER_METRICS:
            for group, value in figures.get(metric, {}).items():
                path = ("groupedby", "carrier", group, metric)
                yield self._account.point(app, *path, value=value, timestamp=pies[metric].asked_at)

    def _group(self, app: App, slices: Slices) -> dict[str, dict[str, float]]:
        """Return the values by group and carrier."""
        rules = self._group_map[self._countries[app.id] or ""]
        groups: dict[str, dict[str, float]] = {}
        for carrier, value in slices.values.items():
            groups.setdefault(rules.find_or_other(carrier), {})[carrier] = value
        return groups


def _crash_percent(
    groups: Mapping[str, Mapping[str, Mapping[str, float]]], sums: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """Return the crash percentage of each group: percentages cannot be added, so it is crashes by loads.

    A group of one carrier has the vendor's figure; one of several is left out if a sum is missing or no app was
    loaded. `groups` has the values by metric, group and carrier: a carrier counts whichever metric names it.

    >>> percentages = {"KPN": {"KPN NL": 0.5, "KPN": 2.0}, "BASE": {"BASE": 1.5}}
    >>> _crash_percent({"crashPercent": percentages}, {"crashes": {"KPN": 8}, "appLoads": {"KPN": 1600}})
    {'KPN': 0.5, 'BASE': 1.5}
    """
    percentages = {}
    for group, values in groups.get("crashPercent", {}).items():
        carriers = {carrier for by_group in groups.values() for carrier in by_group.get(group, {})}
        crashes, loads = (sums.get(metric, {}).get(group) for metric in ("crashes", "appLoads"))
        if len(carriers) == 1:
            percentages[group] = next(iter(values.values()))
        elif crashes is not None and loads:
            percentages[group] = 100 * crashes / loads
    return percentages
