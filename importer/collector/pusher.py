"""Hands the records of a collection on, in requests that a data set takes."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from importer.collector.content import reader_of
from importer.collector.outlet import DataSetConfig, Record, Write, write

logger = logging.getLogger(__name__)

CHUNK_SIZE = 100
"""How many records a request has unless the query's `chunk-size` says otherwise; 0 is all in one."""


class Pusher:
    """Pushes records into a data set, emptied before if the options say `empty-data-set`.

    Raises ConfigError for options that cannot be used, before anything is sent.
    """

    def __init__(self, data_set_config: DataSetConfig, options: Mapping[str, Any]) -> None:
        reader = reader_of(options, "options")
        self.chunk_size = reader.integer("chunk-size", CHUNK_SIZE, minimum=0)
        self.empties = reader.boolean("empty-data-set", False)
        reader.finish(refuse_unknown=False)
        self._data_set_config = data_set_config

    def push(self, records: Iterable[Record]) -> None:
        """Hand on all records, or none; without records nothing is done, and nothing emptied."""
        everything = list(records)
        if not everything:
            logger.info("Doing nothing - no data to push")
            return
        write(self._data_set_config, list(self._writes(everything)))

    def _writes(self, records: list[Record]) -> Iterator[Write]:
        if self.empties:
            yield Write("PUT", [])
        step = self.chunk_size or len(records)
        for begin in range(0, len(records), step):
            yield Write("POST", records[begin : begin + step])
