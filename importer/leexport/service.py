"""What a service is to users' plug-ins: a class that is given an answer and pushes what it makes of it."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from importer.leexport.fitting import Unfit

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Service:
    """The class that services derive from; the engine calls `cls(response, api_key, destination_config).process()`.

    `response` is the parsed final answer of the query API, `api_key` what [Services] has for the service or None,
    and `destination_config` the section [[[destination]]] of the search. An exception from `process` means that
    the answer was not pushed.
    """

    def __init__(self, response: Mapping[str, Any], api_key: str | None, destination_config: Mapping[str, Any]) -> None:
        self.response = response
        self.api_key = api_key
        self.destination_config = destination_config

    def process(self) -> None:
        """Turn the answer into a payload, and push it."""
        raise NotImplementedError

    def _transform(self) -> Any:
        """Return the payload that the destination wants, None if the answer gives none."""
        raise NotImplementedError

    def _push(self, payload: Any) -> bool:
        """Return whether there is a payload at all; services push it after asking this."""
        return payload is not None


class BuiltInService(Service):
    """What our own services share, for code that uses or extends them as classes: they push at once, and keep nothing.

    The engine does not go through these classes: what it pushes is kept in the outbox until the destination has it.
    """

    def process(self) -> None:
        """Push what the answer gives; one that does not fit is only warned of. Raises SinkError."""
        self._push(self._transform())

    def _fitting(self, make: Callable[[], T]) -> T | None:
        """Return what `make` makes of the answer; None, with a warning, where the answer does not fit."""
        try:
            return make()
        except Unfit as error:
            logger.warning("nothing to push: service=%s: %s", type(self).__name__, error)
            return None
