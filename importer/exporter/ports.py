"""Which port shows which page: opened, handed from one service to another, and closed at a reload."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from importer.errors import ImporterError
from importer.exporter.page import Page
from importer.exporter.scrape_server import Binding, ScrapeServer
from importer.exporter.web_config import WebConfig

logger = logging.getLogger(__name__)

Place = tuple[str | None, int]
"""Address, None for all of them, and port."""


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

    def show(self, exhibits: Sequence[Exhibit]) -> None:
        """Show these, and close all other ports. Raises ImporterError where one is taken, and all stays as it is."""
        opened = self._open([exhibit for exhibit in exhibits if exhibit.place not in self._bindings])
        for exhibit in exhibits:
            if exhibit.place in self._bindings:
                self._bindings[exhibit.place].change(exhibit.page, exhibit.web)
        for place in self._bindings.keys() - {exhibit.place for exhibit in exhibits}:
            self._bindings.pop(place).close()
        self._bindings |= opened

    def close(self) -> None:
        """Close all of them."""
        self._bindings.clear()
        self._server.close()

    def _open(self, exhibits: Sequence[Exhibit]) -> dict[Place, Binding]:
        opened: dict[Place, Binding] = {}
        try:
            for exhibit in exhibits:
                address, port = exhibit.place
                logger.info("Setting up HTTP Server - PORT: %d", port)
                opened[exhibit.place] = self._server.serve(exhibit.page, address, port, exhibit.web)
        except ImporterError:
            for binding in opened.values():
                binding.close()
            raise
        return opened
