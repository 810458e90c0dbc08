"""What a collection would write, shown instead of written."""

import logging
from collections.abc import Sequence

from importer.backdrop.data_set import DataSet
from importer.collector.outlet import DataSetConfig, Write
from importer.collector.platform import Platform
from importer.collector.record_points import payloads_of
from importer.sinks.base import PointSink

logger = logging.getLogger(__name__)


class DryRunOutlet:
    """Implements `outlet.Outlet`: logs each request, and what each store would get; keeps nothing."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def write(self, data_set: DataSetConfig, writes: Sequence[Write]) -> None:
        """Log the requests in their order."""
        if self._platform.data_set is not None:
            client = DataSet.from_config({**data_set, "dry_run": True})
            for write in writes:
                if write.method == "PUT":
                    client.empty_data_set()
                else:
                    client.post(write.content)
        for store in self._platform.stores:
            self._show(store, writes)

    def _show(self, store: PointSink, writes: Sequence[Write]) -> None:
        records = [record for write in writes for record in write.records]
        for payload in payloads_of(store, records, self._platform.data_group, self._platform.data_type):
            logger.info("to %s: %d: %s", store.lane, payload.points, payload.data.decode("utf-8", "replace"))
