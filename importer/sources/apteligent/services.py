"""servicestats: what the apps measure of the web services that they call, by host."""

import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping

from importer.errors import BadAnswer, SourceError
from importer.points import Batch, Point
from importer.sources.apteligent.asking import SOURCE, Account, App
from importer.sources.apteligent.parse import Slices, parse_pie, parse_utc
from importer.sources.base import Missing, Source
from importer.stores import Whitelist

logger = logging.getLogger(__name__)

METRICS = ("dataIn", "dataOut", "latency", "volume", "errors")

Question = tuple[App, str]
"""An app and a metric of it."""


class ServiceSource(Source):
    """The last 15 minutes of each app, by service, of the hosts in the whitelist."""

    name = "services"

    def __init__(self, account: Account, whitelist: Whitelist) -> None:
        self._account = account
        self._whitelist = whitelist
        self.failed: list[Question] = []
        """What was asked and not answered, for `ServiceRetry`."""

    def collect(self, cursors: Mapping[str, int]) -> Iterator[Batch | Missing]:
        """Yield a batch for each app and metric; what fails is left to `ServiceRetry`."""
        self.failed = []
        for question, answer in self.ask(itertools.product(self._account.apps(), METRICS)):
            if isinstance(answer, SourceError):
                logger.info("to be asked again: app=%s metric=%s: %s", question[0].name, question[1], answer)
                self.failed.append(question)
            else:
                yield from answer

    def ask(self, questions: Iterable[Question]) -> Iterator[tuple[Question, list[Batch | Missing] | SourceError]]:
        """Yield each question with its batches or its error; raises SourceError when nothing more can be had."""
        return self._account.ask(questions, self._ask_one)

    def _ask_one(self, question: Question) -> list[Batch | Missing]:
        app, metric = question
        answer = self._account.api.services(app.id, metric)
        try:
            slices = parse_pie(answer)
            end = parse_utc(slices.end) if slices.values else 0.0
            points = tuple(self._points(app, metric, slices, end))
        except ValueError as error:
            raise BadAnswer(SOURCE, f"{metric}: {error}") from error
        problems = [_missing(question, BadAnswer(SOURCE, problem)) for problem in slices.problems]
        if not slices.values and not problems:
            logger.warning("no services: app=%s metric=%s", app.name, metric)
        return [Batch(points), *problems]

    def _points(self, app: App, metric: str, slices: Slices, end: float) -> Iterator[Point]:
        for host, value in slices.values.items():
            if self._whitelist.allows(host):
                yield self._account.point(app, "services", host, metric, value=value, timestamp=end)


class ServiceRetry(Source):
    """What `ServiceSource` did not get, asked once more after a pause."""

    name = "services, once more"

    def __init__(self, source: ServiceSource, account: Account, *, pause_seconds: float) -> None:
        self._source = source
        self._account = account
        self._pause_seconds = pause_seconds

    def collect(self, cursors: Mapping[str, int]) -> Iterator[Batch | Missing]:
        """Yield a batch for each answer, and Missing for what fails again."""
        if not self._source.failed or self._account.stop.wait(self._pause_seconds):
            return
        for question, answer in self._source.ask(self._source.failed):
            if isinstance(answer, SourceError):
                yield _missing(question, answer)
            else:
                yield from answer


def _missing(question: Question, error: SourceError) -> Missing:
    app, metric = question
    return Missing(f"{metric} by service of {app.name} ({app.id})", error)
