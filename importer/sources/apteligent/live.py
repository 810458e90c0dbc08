"""livestats: app loads, crashes and exceptions in buckets of ten seconds."""

import logging
from collections.abc import Iterator, Mapping

from importer.errors import BadAnswer, SourceError
from importer.points import Batch
from importer.sources.apteligent.asking import SOURCE, Account, App
from importer.sources.apteligent.parse import Buckets, parse_live
from importer.sources.base import Missing, Source

logger = logging.getLogger(__name__)

METRICS = {"app_loads": "appLoads", "app_errors": "crashes", "app_exceptions": "exceptions"}
"""The vendor's key -> the last segment of the metric's name."""
FUTURE_SECONDS = 24 * 3600.0
"""How far ahead of our clock a bucket may be; one beyond it would hold the cursor in the future."""


class LiveSource(Source):
    """The last five minutes of each app, of which only the buckets beyond the app's cursor are new."""

    name = "liveStats"

    def __init__(self, account: Account) -> None:
        self._account = account

    def collect(self, cursors: Mapping[str, int]) -> Iterator[Batch | Missing]:
        """Yield a batch for each new bucket; an app that fails is asked once more, then left."""
        failed = []
        for app, answer in self._account.ask(self._account.apps(), self._ask):
            if isinstance(answer, SourceError):
                logger.info("asking once more: app=%s: %s", app.name, answer)
                failed.append(app)
            else:
                yield from self._batches(app, answer, cursors)
        for app, answer in self._account.ask(failed, self._ask):
            if isinstance(answer, SourceError):
                yield _missing(app, answer)
            else:
                yield from self._batches(app, answer, cursors)

    def _ask(self, app: App) -> Buckets:
        answer = self._account.api.live(app.id)
        try:
            return parse_live(answer, latest=self._account.clock() + FUTURE_SECONDS)
        except ValueError as error:
            raise BadAnswer(SOURCE, f"liveStats: {error}") from error

    def _batches(self, app: App, found: Buckets, cursors: Mapping[str, int]) -> Iterator[Batch | Missing]:
        if not found.buckets and not found.problems:
            logger.warning("no live figures: app=%s", app.name)
        for problem in found.problems:
            yield _missing(app, BadAnswer(SOURCE, f"liveStats: {problem}"))
        cursor = f"live/{app.id}"
        mark = cursors.get(cursor, -1)
        astray = mark > self._account.clock() + FUTURE_SECONDS  # moved while our clock was wrong: it hides nothing
        for bucket in found.buckets:
            if astray or bucket.epoch_seconds > mark:
                points = tuple(
                    self._account.point(app, "live", METRICS[key], value=value, timestamp=bucket.epoch_seconds)
                    for key, value in bucket.values.items()
                )
                yield Batch(points, cursor=cursor, position=bucket.epoch_seconds, again=astray)


def _missing(app: App, error: SourceError) -> Missing:
    return Missing(f"live figures of {app.name} ({app.id})", error)
