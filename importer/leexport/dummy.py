"""dummy: the example of a service. It logs the answer, and puts it to push_url if there is one."""

import logging
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from importer.config import ObjectReader
from importer.errors import ImporterError
from importer.http_request import split_url
from importer.leexport.destination_keys import http_url
from importer.leexport.outlet import Destination, PluginOutlet, Surroundings
from importer.leexport.service import BuiltInService
from importer.sinks.http_push import HttpPush
from importer.sinks.push_client import push_client

logger = logging.getLogger(__name__)


def build_outlet(destination: Destination, keys: ObjectReader, surroundings: Surroundings) -> PluginOutlet:
    """Return the outlet of a search; adds to `keys.problems` what is wrong. What cannot be pushed is not kept."""
    if keys.value("push_url"):
        http_url(keys, "push_url")
    return PluginOutlet(DummyService, destination)


class DummyService(BuiltInService):
    """The service as a class, as the engine uses it too. Raises SinkError."""

    def _transform(self) -> Mapping[str, Any]:
        """Return the answer as `{"payload": ...}`."""
        return {"payload": self.response}

    def _push(self, payload: Any) -> bool:
        """Log that there is an answer, and put it to push_url if there is one; returns whether there is an answer."""
        if not super()._push(payload):
            return False
        push_url = self.destination_config.get("push_url")
        logger.info("dummy service has an answer: push_url=%s", "given" if push_url else "none")
        if push_url:
            self._put(str(push_url), payload)
        return True

    def _put(self, push_url: str, payload: Any) -> None:
        """Put a text as it stands, anything else as JSON."""
        try:
            origin, path = split_url(push_url)
        except ValueError as error:
            raise ImporterError(f"push_url: {error}") from error
        content = {"body": payload.encode()} if isinstance(payload, str) else {"json": payload}
        with closing(HttpPush("dummy", push_client(origin), hint="correct push_url")) as push:
            push.send("PUT", path, **content)
