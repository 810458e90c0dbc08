"""What a collection has made goes into the outbox in one transaction, and from there to data set and stores."""

from collections.abc import Callable, Iterable, Sequence

from importer.collector.outlet import DataSetConfig, Write
from importer.collector.record_points import payloads_of
from importer.errors import ImporterError
from importer.outbox import Lane, Outbox, Transaction
from importer.points import Payload
from importer.sinks.backdrop import BackdropSink, write_payload
from importer.sinks.base import PointSink, Sink


class UnusableRecord(ImporterError):
    """A record holds what JSON cannot; nothing of its collection is kept."""


class RunOutlet:
    """Implements `outlet.Outlet`: all requests of a collection are kept, or none.

    `committing` is called in the same transaction, for who remembers how far a back-fill has come.
    """

    def __init__(
        self,
        outbox: Outbox,
        data_set: BackdropSink | None,
        stores: Sequence[PointSink],
        *,
        committing: Callable[[Transaction], None] = lambda _transaction: None,
    ) -> None:
        self.records = 0
        """How many were kept."""
        self._outbox = outbox
        self._data_set = data_set
        self._stores = stores
        self._committing = committing

    def write(self, data_set: DataSetConfig, writes: Sequence[Write]) -> None:
        """Keep the requests in their order; raises UnusableRecord and OutboxError, and nothing is kept then."""
        records = [record for write in writes for record in write.records]
        group, data_type = str(data_set["data-group"]), str(data_set["data-type"])
        try:
            requests = [write_payload(write.method, write.content) for write in writes]
            kept = [(store, payloads_of(store, records, group, data_type)) for store in self._stores]
        except (TypeError, ValueError) as error:
            raise UnusableRecord(f"{group}/{data_type}: a record cannot be written as JSON: {error}") from error
        with self._outbox.transaction() as transaction:
            self._add(transaction, requests, kept)
            self._committing(transaction)
        self.records += len(records)

    def _add(
        self, transaction: Transaction, requests: Sequence[Payload], kept: Iterable[tuple[Sink, Sequence[Payload]]]
    ) -> None:
        if self._data_set is not None:
            transaction.add(self._data_set.lane, requests)
        for store, payloads in kept:
            transaction.add(store.lane, payloads)


def configure(outbox: Outbox, sinks: Iterable[Sink]) -> None:
    """Tell the outbox which lanes this run delivers: no other run's, whatever else waits there."""
    # A family of its own for each: what waits for one data set or store must never move to another one.
    outbox.configure(Lane(sink.lane, sink.lane, sink.outbox_max_bytes) for sink in sinks)
