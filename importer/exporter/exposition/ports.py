"""Which port shows which page: opened, handed from one service to another, and closed at a reload."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from importer.errors import ImporterError
from importer.exporter.exposition.page import Page
from importer.exporter.exposition.place import Place, overlap
from importer.exporter.exposition.scrape_server import Binding, ScrapeServer
from importer.exporter.exposition.web_config import WebConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A page and where it is shown."""

    place: Place
    page: Page
    web: WebConfig | None = None


class Ports:
    """The open ports of a process."""

    def __init__(self, server: ScrapeServer) -> None:
        self._server = server
        self._bindings: dict[Place, Binding] = {}
        self._exhibits: dict[Place, Exhibit] = {}

    @contextmanager
    def showing(self, exhibits: Sequence[Exhibit]) -> Iterator[None]:
        """Open the ports that are not open yet; if the block goes well show these pages, and close all other ports.

        If it raises, and where a port is taken, which raises ImporterError, all is as it was.
        """
        wanted = {exhibit.place: exhibit for exhibit in exhibits}
        fresh = [exhibit for exhibit in exhibits if exhibit.place not in self._bindings]
        in_the_way = [
            former
            for place, former in self._exhibits.items()
            if place not in wanted and any(overlap(place, exhibit.place) for exhibit in fresh)
        ]
        opened: dict[Place, Binding] = {}
        try:
            self._close(exhibit.place for exhibit in in_the_way)
            for exhibit in fresh:
                opened[exhibit.place] = self._opened(exhibit)
            yield
        except BaseException:
            for binding in opened.values():
                binding.close()
            self._reopen(in_the_way)
            raise
        self._settle(wanted, opened)

    def close(self) -> None:
        """Close all of them."""
        self._bindings.clear()
        self._exhibits.clear()
        self._server.close()

    def _settle(self, wanted: Mapping[Place, Exhibit], opened: Mapping[Place, Binding]) -> None:
        for place, binding in self._bindings.items():
            if place in wanted:
                binding.change(wanted[place].page, wanted[place].web)
        self._close(self._bindings.keys() - wanted.keys())
        self._bindings |= opened
        self._exhibits = dict(wanted)

    def _opened(self, exhibit: Exhibit) -> Binding:
        address, port = exhibit.place
        logger.info("Setting up HTTP Server - PORT: %d", port)
        return self._server.serve(exhibit.page, address, port, exhibit.web)

    def _close(self, places: Iterable[Place]) -> None:
        for place in places:
            self._bindings.pop(place).close()
            self._exhibits.pop(place)

    def _reopen(self, exhibits: Iterable[Exhibit]) -> None:
        for exhibit in exhibits:
            if exhibit.place in self._bindings:
                continue
            try:
                self._bindings[exhibit.place] = self._opened(exhibit)
                self._exhibits[exhibit.place] = exhibit
            except ImporterError as error:
                logger.error("%s", error)
