"""A port on which Prometheus finds the newest samples: GET / or /metrics."""

import logging
import math
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from socketserver import TCPServer, ThreadingMixIn
from typing import Self

from importer.config import ObjectReader
from importer.errors import SinkRefused, TransportError
from importer.http_client import USER_AGENT, HttpClient, RetryPolicy
from importer.sinks.exposition import CONTENT_TYPE, Reading, Samples, Series, expose, without_expired

logger = logging.getLogger(__name__)

DEFAULT_HOST = "127.0.0.1"
NEWEST_SAMPLE = Series("metrics_importer_newest_sample_timestamp_seconds", ())
"""How old the figures are, since a scrape cannot tell; for the other ways node_exporter and Pushgateway say it."""

_REQUEST_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Page:
    """What a scrape gets: made whole and then put in place of the one before."""

    text: bytes
    samples: Samples
    valid_until: float
    """When the first of its samples expires, in seconds since 1970-01-01 UTC."""


class ServedPort:
    """An HTTP server on one address and port, from the first `publish` to `close`.

    Samples older than `expire_seconds` leave the page by themselves. Raises ValueError for a host that is no address
    and a port that is none.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        expire_seconds: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._address = (str(ip_address(host)), port)
        if not 0 < port < 65536:
            raise ValueError(f"port {port} is not from 1 to 65535")
        self.lane = f"prometheus://{f'[{host}]' if ':' in host else host}:{port}"
        self._expire_seconds = math.inf if expire_seconds is None else expire_seconds
        self._clock = clock
        self._page = _Page(b"", {}, math.inf)
        self._server: _Server | None = None

    @classmethod
    def from_keys(cls, keys: ObjectReader, *, expire_seconds: float | None) -> Self:
        """Return the outlet that the keys port and host, the address to listen on, describe."""
        host = keys.text("host", DEFAULT_HOST)
        try:
            ip_address(host)
        except ValueError:
            keys.problem("host", f"{host!r:.80} is not an address to listen on, such as 127.0.0.1, 0.0.0.0 or ::")
            host = DEFAULT_HOST
        port = keys.integer("port", minimum=1, maximum=65535, accept_text=True)
        return cls(host, port, expire_seconds=expire_seconds)

    def publish(self, samples: Samples) -> None:
        """Let scrapes find these samples from now on; raises SinkRefused where the port cannot be had."""
        self._page = self._made_page(samples)
        if self._server is None:
            self._server = self._bound()
            threading.Thread(target=self._server.serve_forever, name=self.lane, daemon=True).start()
            logger.info("serving samples lane=%s", self.lane)

    def check(self) -> str:
        """Return whether the port is served by us, here or in another process, or could be; leaves it as it is.

        Raises SinkRefused where it is another program's, or cannot be had at all.
        """
        if self._server is not None:
            return "is served"
        try:
            self._bound().server_close()
        except SinkRefused:
            if not self._is_served_by_another_of_ours():
                raise
            return "is served by another process of ours"
        return "can be served"

    def close(self) -> None:
        """Give the port free; the log says so if nobody had come to it."""
        if self._server is None:
            return
        self._server.stop()
        if not self._server.was_scraped:
            logger.warning(
                "port closed before anybody came, commands that end need pushgateway or textfile lane=%s", self.lane
            )
        self._server = None

    def page(self) -> bytes:
        """Return the text of the samples that have not expired."""
        page = self._page
        if self._clock() >= page.valid_until:
            page = self._page = self._made_page(page.samples)
        return page.text

    def _made_page(self, samples: Samples) -> _Page:
        current = without_expired(samples, before=self._clock() - self._expire_seconds)
        oldest = min((reading.timestamp for reading in current.values()), default=math.inf)
        newest = max((reading.timestamp for reading in current.values()), default=None)
        age = {} if newest is None else {NEWEST_SAMPLE: Reading(newest, newest)}
        return _Page(expose({**age, **current}), current, oldest + self._expire_seconds)

    def _bound(self) -> "_Server":
        try:
            return _Server(self._address, self.page)
        except OSError as error:
            reason = f"cannot listen: {(error.strerror or str(error)).lower()}; correct host or port"
            raise SinkRefused(self.lane, reason) from error

    def _is_served_by_another_of_ours(self) -> bool:
        client = HttpClient(
            self.lane.replace("prometheus://", "http://"),
            proxies={},
            retries=RetryPolicy(extra_attempts=0, max_waits=0),
            timeout_seconds=_REQUEST_TIMEOUT_SECONDS,
        )
        try:
            return client.request("HEAD", "/").headers.get("Server") == USER_AGENT
        except TransportError:  # nobody, or nobody who speaks HTTP: not us
            return False
        finally:
            client.close()


class _Server(ThreadingMixIn, TCPServer):
    """Binds in the constructor, which raises OSError; not an HTTPServer, which looks up a name for its address."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True  # connections that linger from the process before are no reason to wait
    allow_reuse_port = False
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], page: Callable[[], bytes]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.page = page
        self.was_scraped = False
        super().__init__(address, _Handler)

    def stop(self) -> None:
        """End `serve_forever` and free the port."""
        self.socket.shutdown(socket.SHUT_RDWR)  # wakes serve_forever, which else looks twice a second
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what ended a connection: a client that hung up is no matter, anything else is a bug."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            logger.debug("scrape was cut off client=%s reason=%s", client_address, error)
        else:
            logger.error("scrape failed client=%s", client_address, exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.0, a connection a scrape: none is left over that would go on after `stop`."""

    server: _Server
    timeout = _REQUEST_TIMEOUT_SECONDS

    def do_GET(self) -> None:
        """Answer with the samples, or 404."""
        if self.path.partition("?")[0] not in ("/", "/metrics"):
            self.send_error(404, "samples are at /metrics")
            return
        text = self.server.page()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.server.was_scraped = True  # before the answer: who has it may close us at once
            self.wfile.write(text)

    do_HEAD = do_GET

    def version_string(self) -> str:
        """Return the name by which `check` knows us."""
        return USER_AGENT

    def log_message(self, format: str, *args: object) -> None:
        """Log requests where they can be turned off."""
        logger.debug("scrape client=%s %s", self.address_string(), format % args)
