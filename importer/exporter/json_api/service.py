"""A service that is nothing but configuration: one document a poll, and the metrics that are found in it."""

import threading
from collections.abc import Sequence

from importer.exporter.base import Fault, Outcome
from importer.exporter.exchange import PollFailed, Tries
from importer.exporter.family import Family
from importer.exporter.json_api.family import view_of
from importer.exporter.json_api.metric import MetricRule
from importer.exporter.json_api.request import Source


class JsonService:
    """Implements `base.Service`.

    A poll without a document leaves all as it was. Where there is one, a metric that fails shows nothing, and the
    others go on.
    """

    def __init__(self, name: str, source: Source, rules: Sequence[MetricRule], *, stop: threading.Event) -> None:
        self.name = name
        self._source = source
        self._views = [(rule, view_of(rule)) for rule in rules]
        self._stop = stop
        self._families: tuple[Family, ...] = ()

    def poll(self) -> Outcome:
        """Ask once, and read the answer; raises Stopped."""
        try:
            document = self._source.document(Tries(self._stop))
        except PollFailed as failure:
            return Outcome([failure.fault], failure.retry_after_seconds)
        faults: list[Fault] = []
        families: list[Family] = []
        for rule, view in self._views:
            readings, wrong = rule.read(document)
            faults += wrong
            family = view.show(readings)
            if family is not None:
                families.append(family)
        self._families = tuple(families)
        return Outcome(faults)

    def families(self) -> Sequence[Family]:
        """Return the metrics that have values, in the order of the configuration."""
        return self._families

    def close(self) -> None:
        """Close the connections."""
        self._source.close()
