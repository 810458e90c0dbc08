"""One run of a search: ask, and keep what the answer becomes.

A run ends when its payloads are in the outbox; delivering them is the business of its lane. So neither a slow query
nor a store that is down delays any other search.
"""

import logging
import time
from collections.abc import Callable, Iterable

from importer.errors import ImporterError, Stopped
from importer.leexport.config import Search
from importer.leexport.outlet import PluginFailed, PluginOutlet
from importer.outbox import Outbox
from importer.sinks.base import Sink
from importer.sources.logentries.api import LogSearch
from importer.tally import Tally

logger = logging.getLogger(__name__)


def sinks_of(searches: Iterable[Search]) -> list[Sink]:
    """Return the sinks of searches, one for each lane: destinations of points are shared."""
    sinks: dict[str, Sink] = {}
    for search in searches:
        if not isinstance(search.outlet, PluginOutlet):
            sinks.setdefault(search.outlet.sink.lane, search.outlet.sink)
    return list(sinks.values())


def failure_of(search: Search, reason: object) -> str:
    """Return one line that names a search and its service, and says what went wrong."""
    return f"[[{search.name}]] {search.destination.service}: {reason}"


class SearchRunner:
    """Asks for searches, and keeps the answers; `run` may be called from many threads.

    `is_wanted` tells whether an answer that has come is still of use.
    """

    def __init__(
        self,
        source: LogSearch,
        outbox: Outbox,
        tally: Tally,
        *,
        is_wanted: Callable[[Search], bool] = lambda _search: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        """Whom to ask from the next run on."""
        self._outbox = outbox
        self._tally = tally
        self._is_wanted = is_wanted
        self._clock = clock

    def run(self, search: Search) -> str:
        """Ask, and keep or push the answer; return the reason why that went wrong, an empty text if it did not.

        Raises Stopped.
        """
        logger.info("search started: search=%s service=%s", search.name, search.destination.service)
        begin = self._clock()
        try:
            points = self._run(search)
        except Stopped:
            raise
        except ImporterError as error:
            reason = str(error)
            logger.warning("not pushed: %s", failure_of(search, reason))
            if isinstance(error, PluginFailed):
                logger.debug("a user's service failed: search=%s", search.name, exc_info=error.__cause__)
        except Exception as bug:  # it must cost neither the other searches nor this one's next run
            reason = f"a fault of ours: {type(bug).__name__}: {bug}"
            logger.exception("not pushed: %s", failure_of(search, reason))
        else:
            self._tally.add(points=points, seconds=self._clock() - begin)
            return ""
        self._tally.add(seconds=self._clock() - begin, failure=failure_of(search, reason))
        return reason

    def _run(self, search: Search) -> int:
        """Return how many values were kept."""
        answer = self.source.ask(search.query, what=search.name)
        if not self._is_wanted(search):
            return _drop_answer(search)
        if isinstance(search.outlet, PluginOutlet):
            search.outlet.push(answer)
            logger.info("pushed: search=%s service=%s", search.name, search.destination.service)
            return 0
        payloads = search.outlet.encode(answer)
        if not payloads:
            logger.info("nothing to push, the answer is empty: search=%s", search.name)
        with self._outbox.transaction() as transaction:
            if not self._is_wanted(search):  # no lane can be configured or go from here on
                return _drop_answer(search)
            transaction.add(search.outlet.sink.lane, payloads)
        return sum(payload.points for payload in payloads)


def _drop_answer(search: Search) -> int:
    logger.info("answer dropped, its search was changed: search=%s", search.name)
    return 0
