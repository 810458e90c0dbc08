"""Counts for a statsd, by UDP: sent only where STATSD_HOST names one, and never waited for.

>>> StatsClient(None, prefix="pp.apps.collector").incr("ga.core")  # goes nowhere
"""

import logging
import os
import re
import socket
from collections.abc import Mapping

from importer.errors import one_line

logger = logging.getLogger(__name__)

PORT = 8125
PREFIX = "pp.apps.collector"
_RESERVED = re.compile(r"[:|@\s]")


class StatsClient:
    """Counters below a prefix, for one host; for none (None) nothing is sent."""

    def __init__(self, host: str | None, port: int = PORT, prefix: str = PREFIX) -> None:
        self._target = None if not host else (host, port)
        self._prefix = prefix

    def incr(self, name: str, count: int = 1) -> None:
        """Add to a counter; a packet that cannot be sent is a warning in the log."""
        if self._target is None:
            return
        text = f"{_RESERVED.sub('_', f'{self._prefix}.{name}')}:{count}|c"
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(*self._target, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind, protocol) as connection:
                connection.sendto(text.encode(), address)
        except (OSError, UnicodeError) as error:  # the latter of a host name that is none
            logger.warning("statsd cannot be reached host=%s error=%s", self._target[0], one_line(error))


def client_of(environ: Mapping[str, str] = os.environ) -> StatsClient:
    """Return the client that STATSD_HOST, STATSD_PORT and GOVUK_STATSD_PREFIX describe.

    A port that is none is a warning in the log, and nothing is sent.
    """
    host, port = environ.get("STATSD_HOST"), environ.get("STATSD_PORT") or str(PORT)
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        logger.warning("STATSD_PORT is not the number of a port: nothing is counted")
        host, port = None, str(PORT)
    return StatsClient(host, int(port), environ.get("GOVUK_STATSD_PREFIX") or PREFIX)


def incr(name: str, count: int = 1, *, environ: Mapping[str, str] = os.environ) -> None:
    """Add to a counter of the statsd that the environment names, if it does."""
    client_of(environ).incr(name, count)
