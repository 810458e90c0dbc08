"""A search as an object, for code that drove the old package's searches itself. The engine does not use it."""

import logging
import threading
from collections.abc import Mapping
from typing import Any

from importer.leexport.request_helper import get_continuity_final_response, get_le_api_key, post_le_search
from importer.leexport.response import QueryResponse
from importer.leexport.service import Service

logger = logging.getLogger(__name__)


class Search:
    """Asks a query, and gives the answer to a service; raises nothing that the query API or the service causes.

    `search_config` holds the sections `query` and `destination` of a search, `config` the whole file: `LE` and
    `Services`.
    """

    def __init__(
        self, service_class: type[Service], search_config: Mapping[str, Any], config: Mapping[str, Any]
    ) -> None:
        self.service_class = service_class
        self.query_config = search_config["query"]
        self.destination_config = search_config["destination"]
        self.auth = config["LE"]
        service = self.destination_config.get("service")
        self.api_key = config.get("Services", {}).get(service, {}).get("api_key")
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Ask at once and then every `query_period` seconds, in a thread of its own, until `stop`."""
        self._stopped.clear()
        self._thread = threading.Thread(target=self._repeat, name="search", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; what is under way comes to its end."""
        self._stopped.set()

    def query_and_push_task(self) -> None:
        """Ask once, and push what the answer becomes."""
        try:
            self.handle_response(post_le_search(self.query_config, self.auth))
        except Exception:  # of the query API, or of the user's service
            logger.exception("not pushed: service=%s", self.service_class.__name__)

    def handle_response(self, response: Any) -> None:
        """Wait for the final answer to a query, and process it."""
        final = get_continuity_final_response(response, get_le_api_key(self.auth))
        if final is not None:
            self.process_final_response(final)

    def process_final_response(self, response: Any) -> None:
        """Give a final answer to the service; one without statistics is only warned of."""
        answer = response.json()
        if not QueryResponse.is_statistics(answer):
            logger.warning("the answer holds no statistics: nothing to push")
            return
        self.service_class(answer, self.api_key, self.destination_config).process()

    def _repeat(self) -> None:
        period_seconds = float(self.query_config["query_period"])
        while not self._stopped.is_set():
            self.query_and_push_task()
            self._stopped.wait(period_seconds)
