"""One HTTP exchange over requests: a deadline for all of it and a bound on its size.

`importer.http_client` imports this module with its first request: requests takes a quarter of a second to
import, which `--help` need not wait for. Nothing else imports it, so that bulk work can move to a cheaper
client by writing another `Transport`.
"""

import http.client
import io
import logging
import math
import socket
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from importer.errors import Stopped
from importer.http_failure import ExchangeError, explain
from importer.http_request import Outgoing

STOP_CHECK_SECONDS = 0.25
"""The longest that a thread waiting for an answer takes to notice that the process is asked to stop."""

_MIN_TIMEOUT_SECONDS = 0.001
"""requests takes no time-out of 0."""
_CHUNK_BYTES = 64 * 1024

# urllib3 logs request lines and, with a traceback, odd headers: with the query, where some vendors want the key.
logging.getLogger("urllib3").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class ExchangeLimits:
    """What one exchange may cost."""

    connect_timeout_seconds: float
    """For each of the host's addresses."""
    timeout_seconds: float
    """From the start to the last byte of the answer."""
    max_response_bytes: int
    """Of the body, once unpacked."""


@dataclass(slots=True)
class _Exchange:
    """What is known about the exchange that this thread is in."""

    timeout_seconds: float
    deadline: float
    stop: threading.Event
    clock: Callable[[], float]
    connecting: bool = False
    connected: bool = False
    received_bytes: int = 0

    def patience_seconds(self) -> float:
        """How long the next wait for bytes may take. Raises Stopped, or TimeoutError past the deadline."""
        if self.stop.is_set():
            raise Stopped("stopped while waiting for an answer")
        remaining = self.deadline - self.clock()
        if remaining <= 0:
            raise TimeoutError
        return min(remaining, STOP_CHECK_SECONDS)


_current: ContextVar[_Exchange] = ContextVar("exchange")


class _Reader(io.RawIOBase):
    """Reads a socket until the exchange's deadline.

    A socket's own time-out starts anew with each byte: a server that drips its answer would hold us for ever.
    """

    def __init__(self, sock: socket.socket, owner: io.RawIOBase) -> None:
        self._socket = sock
        self._owner = owner  # keeps the socket open until this reader is closed, as http.client expects

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        exchange = _current.get()
        timeout = self._socket.gettimeout()
        try:
            received = self._wait_for_bytes(exchange, buffer)
        finally:
            self._socket.settimeout(timeout)
        exchange.received_bytes += received
        return received

    def _wait_for_bytes(self, exchange: _Exchange, buffer: Any) -> int:
        while True:
            self._socket.settimeout(exchange.patience_seconds())
            try:
                return self._socket.recv_into(buffer)
            except TimeoutError:
                continue  # a slice of the patience is over; patience_seconds() says whether all of it is

    def close(self) -> None:
        self._owner.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """A response that is read by a `_Reader`, from its first header byte on."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(sock, self.fp.detach()))


class _Connection(HTTPConnection):
    response_class = _Answer

    def connect(self) -> None:
        _current.get().connecting = True
        super().connect()
        _current.get().connected = True


class _SecureConnection(HTTPSConnection):
    response_class = _Answer

    def connect(self) -> None:
        _current.get().connecting = True
        super().connect()
        _current.get().connected = True


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    """The usual adapter over connections of ours, direct and through proxies."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def _keep_authorization(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An auth object that leaves the request as it is: without one, requests would look into ~/.netrc."""
    return request


class Transport:
    """A kept connection to one host, for one thread at a time."""

    def __init__(
        self,
        host: str,
        *,
        limits: ExchangeLimits,
        proxies: Mapping[str, str] | None,
        verify: bool | str,
        stop: threading.Event,
        clock: Callable[[], float],
    ) -> None:
        self._host = host
        self._limits = limits
        self._proxies = proxies
        self._verify = verify
        self._stop = stop
        self._clock = clock
        self._session = requests.Session()
        self._session.mount("https://", _Adapter())
        self._session.mount("http://", _Adapter())
        if verify is False:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # our own log says it once

    def send(self, outgoing: Outgoing, *, within_seconds: float = math.inf) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and unpacked body of one exchange, whatever the status. Follows no redirect.

        It ends within that time, and within the limits. Raises ExchangeError, or Stopped soon after the process was
        asked to stop.
        """
        timeout_seconds = max(min(self._limits.timeout_seconds, within_seconds), _MIN_TIMEOUT_SECONDS)
        exchange = _Exchange(timeout_seconds, self._clock() + timeout_seconds, self._stop, self._clock)
        token = _current.set(exchange)
        response: requests.Response | None = None
        try:
            response = self._open(outgoing, timeout_seconds)
            return response.status_code, response.headers, self._read(response)
        except (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException, ValueError) as error:
            raise self._explain(error, exchange, response) from error
        finally:
            if response is not None:
                response.close()
            _current.reset(token)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._session.close()

    def _open(self, outgoing: Outgoing, timeout_seconds: float) -> requests.Response:
        request = requests.Request(
            outgoing.method, outgoing.url, dict(outgoing.headers), data=outgoing.body, auth=_keep_authorization
        )
        prepared = self._session.prepare_request(request)
        settings = self._session.merge_environment_settings(outgoing.url, {}, True, self._verify, None)
        verify = True if settings["verify"] is None else settings["verify"]
        proxies = dict(settings["proxies"] if self._proxies is None else self._proxies)
        self._check_proxy(outgoing.url, proxies)
        timeout = (min(self._limits.connect_timeout_seconds, timeout_seconds), timeout_seconds)
        # Not session.send(): it reads the whole body of a redirect before anybody can count its bytes.
        adapter = self._session.get_adapter(outgoing.url)
        return adapter.send(prepared, stream=True, timeout=timeout, verify=verify, proxies=proxies)

    def _check_proxy(self, url: str, proxies: dict[str, str]) -> None:
        """Refuse a proxy without a host, at which requests stumbles with a TypeError."""
        proxy = select_proxy(url, proxies)
        if proxy and not urlsplit(proxy if "://" in proxy else f"http://{proxy}").hostname:
            raise ExchangeError(self._host, "proxy: not an address with a host", unreachable=True)

    def _read(self, response: requests.Response) -> bytes:
        limit = self._limits.max_response_bytes
        body = bytearray()
        for chunk in response.iter_content(_CHUNK_BYTES):
            body += chunk
            if len(body) > limit:
                raise ExchangeError(self._host, f"answer larger than {_size(limit)}", too_large=True)
        return bytes(body)

    def _explain(self, error: Exception, exchange: _Exchange, response: requests.Response | None) -> ExchangeError:
        facts = {
            "connect_timeout_seconds": min(self._limits.connect_timeout_seconds, exchange.timeout_seconds),
            "timeout_seconds": exchange.timeout_seconds,
            "progress": _progress(response),
        }
        return explain(
            error,
            self._host,
            connecting=exchange.connecting,
            connected=exchange.connected,
            received_bytes=exchange.received_bytes,
            facts=facts,
        )


def _progress(response: requests.Response | None) -> str:
    if response is None:
        return "a part of its header"
    expected = response.headers.get("Content-Length", "")
    received = response.raw.tell()
    return f"{received} of {expected} bytes" if expected.isdecimal() else f"{received} bytes"


def _size(count: int) -> str:
    return f"{count // 2**20} MiB" if count and count % 2**20 == 0 else f"{count} bytes"
