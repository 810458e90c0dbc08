"""What a collection has made goes into the outbox in one transaction, and from there to data set and stores."""

from collections.abc import Callable, Iterable, Sequence

from importer.collector.outlet import DataSetConfig, Write
from importer.collector.record_points import payloads_of
from importer.errors import ImporterError
from importer.outbox import Lane, Outbox, Transaction
from importer.points import Payload
from importer.sinks.backdrop import BackdropSink, write_payload
from importer.sinks.base import PointSink, Sink

Committing = Callable[[Transaction, int], None]
"""Called in the transaction that keeps a collection, with how many records it has."""


class UnusableRecord(ImporterError):
    """A record holds what JSON cannot; nothing of the requests that it came with is kept."""


class RunOutlet:
    """Implements `outlet.Outlet`: gathers the requests of a collection until `commit` keeps all of them, or none."""

    def __init__(self, outbox: Outbox, data_set: BackdropSink | None, stores: Sequence[PointSink]) -> None:
        self.records = 0
        """How many were kept."""
        self._outbox = outbox
        self._data_set = data_set
        self._stores = stores
        self._gathered = 0
        self._waiting: list[tuple[str, Sequence[Payload]]] = []
        """Lane and what is for it, in the order of the requests."""

    def write(self, data_set: DataSetConfig, writes: Sequence[Write]) -> None:
        """Take requests behind those that are there; raises UnusableRecord, and none of these is taken then."""
        records = [record for write in writes for record in write.records]
        group, data_type = str(data_set["data-group"]), str(data_set["data-type"])
        try:
            requests = [write_payload(write.method, write.content) for write in writes]
            kept = [(store.lane, payloads_of(store, records, group, data_type)) for store in self._stores]
        except (TypeError, ValueError) as error:
            raise UnusableRecord(f"{group}/{data_type}: a record cannot be written as JSON: {error}") from error
        if self._data_set is not None:
            self._waiting.append((self._data_set.lane, requests))
        self._waiting += kept
        self._gathered += len(records)

    def commit(self, committing: Committing | None = None) -> None:
        """Keep what was gathered, and what `committing` changes with it; raises OutboxError, and nothing is kept."""
        if not self._waiting and committing is None:
            return
        with self._outbox.transaction() as transaction:
            for lane, payloads in self._waiting:
                transaction.add(lane, payloads)
            if committing is not None:
                committing(transaction, self._gathered)
        self.records += self._gathered
        self._waiting, self._gathered = [], 0


def configure(outbox: Outbox, sinks: Iterable[Sink]) -> None:
    """Tell the outbox which lanes this run delivers: no other run's, whatever else waits there."""
    # A family of its own for each: what waits for one data set or store must never move to another one.
    outbox.configure(Lane(sink.lane, sink.lane, sink.outbox_max_bytes) for sink in sinks)
