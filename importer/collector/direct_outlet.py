"""Sends what entrypoints write at once, where no run keeps it: for collectors that are called as functions."""

from collections.abc import Sequence

from importer.backdrop.base import PATIENT
from importer.backdrop.data_set import DataSet
from importer.collector.outlet import DataSetConfig, Write
from importer.requests_backoff import Backoff


class DirectOutlet:
    """Sends by `DataSet`; what fails raises requests.HTTPError, and what comes after it is not sent."""

    def __init__(self, backoff: Backoff = PATIENT) -> None:
        self._backoff = backoff

    def write(self, data_set: DataSetConfig, writes: Sequence[Write]) -> None:
        """Send the requests in their order."""
        client = DataSet.from_config(data_set, backoff=self._backoff)
        for write in writes:
            if write.method == "PUT":
                client.empty_data_set()
            else:
                client.post(write.content)
