"""The stats client: programs send events to the stats service with it, now or in the background.

    Analytics.init({"url": "http://stats.example.org:20080", "access_token": token, "tags": {"site": "north"}})
    Analytics.stats().log({"event": "shop.view", "uid": "user-5", "basket": {"items": 3}})

What goes wrong between client and service is logged, and never raised by `log`: see `importer.events.client.queue`
for what a program may rely on.
"""

import json
import logging
import math
import socket
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, ClassVar, Self
from urllib.parse import quote

import requests

from importer.credentials import Secret
from importer.errors import one_line
from importer.events.client.auth import RequestsAccessTokenAuth
from importer.events.client.ending import EXIT_SECONDS
from importer.events.client.queue import PostingQueue
from importer.events.client.session import Reply, StatsSession, Timeouts
from importer.events.flatten import flatten

logger = logging.getLogger(__name__)

DEFAULT_URL = "http://localhost:20080"
STARTUPS = ("event", "points")
"""What `system_startup` can send."""


class Analytics:
    """A client of one stats service; any number of threads may use it, also after a fork.

    Keys of config: `url`, `access_token`, `defer` (post in the background; True), `disabled` (False), `tags` (added
    to each event), `startup` (one of STARTUPS), `connect_timeout_seconds` (5) and `read_timeout_seconds` (30).
    An empty url disables it. Raises ValueError for a token that is missing, and for values that cannot be meant.
    """

    JSON_CT: ClassVar[Mapping[str, str]] = {"Accept": "application/json", "Content-Type": "application/json"}
    ANALYTICS: ClassVar[str] = "/log/event/"
    EVENT: ClassVar[str] = "/log/event/{}/"

    _shared: ClassVar["Analytics | None"] = None

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        config = config or {}
        self.base_uri = str(config.get("url", DEFAULT_URL) or "").rstrip("/")
        self.defer = bool(config.get("defer", True))
        self.disabled = bool(config.get("disabled", False)) or not self.base_uri
        self.tags = _tags(config)
        self.app_node = socket.gethostname()
        self.auth = _auth(config, disabled=self.disabled)
        self._startup = _startup(config)
        self._session = StatsSession(_timeouts(config))
        self._queue = PostingQueue(self._post)
        self._has_warned = False
        if not self.base_uri:
            self._warn_disabled("no url is configured")

    @classmethod
    def init(cls, config: Mapping[str, Any] | None = None) -> Self:
        """Return a new instance of this class, which `stats()` returns from now on; without a url it is disabled."""
        config = config or {}
        instance = cls({**config, "url": config.get("url")})
        for owner in cls.__mro__:
            if issubclass(owner, Analytics):  # libraries that know the base class alone find it too
                owner._shared = instance
        return instance

    @classmethod
    def stats(cls) -> "Analytics":
        """Return the instance that `init()` has made. Raises AssertionError before that."""
        if cls._shared is None:
            raise AssertionError(f"{cls.__name__}.init() was not called")
        return cls._shared

    @staticmethod
    def now() -> datetime:
        """Return the current time, UTC without a zone, as events carry it."""
        return datetime.now(UTC).replace(tzinfo=None)

    def get_auth(self) -> RequestsAccessTokenAuth | None:
        """Return what puts the token into requests; None where there is no token."""
        return self.auth

    def ping(self) -> dict[str, Any]:
        """Return what the service says about itself; no token is sent.

        Raises requests.exceptions.HTTPError for a status of 400 and above, ConnectionError without a connection.
        """
        return self._get("/ping/", auth=None)

    def get(self, event_id: str) -> dict[str, Any]:
        """Return a stored event.

        Raises requests.exceptions.HTTPError (404: there is no such event), ConnectionError without a connection.
        """
        return self._get(self.EVENT.format(quote(event_id, safe="")), auth=self.auth)

    def _get(self, path: str, *, auth: RequestsAccessTokenAuth | None) -> dict[str, Any]:
        if not self.base_uri:
            raise requests.exceptions.ConnectionError("the stats client has no url")
        answer = self._session.get(self.base_uri + path, headers=self.JSON_CT, auth=auth)
        if not isinstance(answer, dict):
            raise requests.exceptions.InvalidJSONError("the answer is no JSON object")
        return answer

    def log(
        self, data: Mapping[str, Any] | list[Any] | tuple[Any, ...] | None = None, *, points: list[Any] | None = None
    ) -> str | None:
        """Return the id of the event that was stored, "OK" for a list of points; None at once if that is deferred.

        An event needs `uid` and `event` (else AssertionError); `datetime` and the tags are added where it has none,
        and nested objects are flattened. Points are sent as they are. What JSON does not know is sent as text; NaN
        and infinity are left out as null, which the log tells. The result is `""` if it was not stored, for which the
        log has the reason. Raises TypeError for anything but a dict or a list.
        """
        content = data if points is None else points
        if self.disabled:
            self._warn_disabled("it is switched off")
            return None
        if (data is not None and points is not None) or not isinstance(content, Mapping | list | tuple):
            raise TypeError(f"log() takes a dict or a list of points, not {type(content).__name__}")
        body = self._encode(content)
        if self.defer:
            if body is not None:
                self._queue.add(body)
            return None
        return "" if body is None else self._log_now(body)

    def _encode(self, content: Mapping[str, Any] | list[Any] | tuple[Any, ...]) -> bytes | None:
        """Return content as it is sent; None, told in the log and not raised, for what JSON cannot hold."""
        try:
            ready = self._event(content) if isinstance(content, Mapping) else content
            return _json(ready).encode("ascii")
        except (TypeError, ValueError, RecursionError) as error:
            logger.error("event is lost, it cannot be sent as JSON reason=%s", one_line(error))
            return None

    def _event(self, data: Mapping[str, Any]) -> dict[str, object]:
        event = flatten(data)
        for key in ("uid", "event"):
            if key not in event:
                raise AssertionError(f"an event needs the key {key}")
        return {"datetime": self.now().isoformat(), **flatten({"tags": self.tags}), **event}

    def _log_now(self, body: bytes) -> str:
        reply = self._post(body)
        if reply.answer is None:
            logger.log(reply.level, "event is lost, it was not stored reason=%s", reply.reason)
        return reply.answer or ""

    def _post(self, body: bytes, *, within_seconds: float | None = None) -> Reply:
        url = self.base_uri + self.ANALYTICS
        return self._session.post(url, body, headers=self.JSON_CT, auth=self.auth, within_seconds=within_seconds)

    def flush(self, seconds: float = EXIT_SECONDS) -> bool:
        """Return whether all deferred events are posted, waiting so many seconds at most.

        The end of the program does it unasked; this is for processes that end by `os._exit` or are frozen.
        """
        return self._queue.flush(seconds) == 0

    def system_startup(self) -> str | None:
        """Return what `log` does of an event, or a point, that tells that this machine has started."""
        uid = f"system-{self.app_node}"
        address = _address(self.app_node)
        if self._startup == "points":
            tags = {"uid": uid, **address, "hostname": self.app_node} | {key: str(self.tags[key]) for key in self.tags}
            return self.log(points=[{"measurement": "server_startup", "tags": tags, "fields": {"value": 1}}])
        return self.log({"event": "server.start", "uid": uid, **address, "app_node": self.app_node})

    def _warn_disabled(self, reason: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning("stats client is disabled, events go nowhere reason=%s", reason)


def _auth(config: Mapping[str, Any], *, disabled: bool) -> RequestsAccessTokenAuth | None:
    given = config.get("access_token") or ""
    token = (given.reveal() if isinstance(given, Secret) else str(given)).strip()
    if not token:
        if disabled:
            return None
        raise ValueError("access_token is missing; give one, or set disabled")
    if not (token.isascii() and token.isprintable()):
        raise ValueError("access_token holds characters that no header can")
    return RequestsAccessTokenAuth(token)


def _tags(config: Mapping[str, Any]) -> dict[str, Any]:
    given: object = config.get("tags") or {}
    try:
        return dict(given)  # type: ignore[call-overload, no-any-return]  # that is what is tried
    except (TypeError, ValueError) as error:
        raise ValueError(f"tags {given!r:.40} is no dict of names and values") from error


def _startup(config: Mapping[str, Any]) -> str:
    startup: object = config.get("startup", STARTUPS[0])
    if startup not in STARTUPS:
        raise ValueError(f"startup {startup!r:.40} is not one of {', '.join(STARTUPS)}")
    return str(startup)


def _timeouts(config: Mapping[str, Any]) -> Timeouts:
    usual = Timeouts()
    return Timeouts(
        connect_seconds=_seconds(config.get("connect_timeout_seconds", usual.connect_seconds)),
        read_seconds=_seconds(config.get("read_timeout_seconds", usual.read_seconds)),
    )


def _seconds(value: object) -> float:
    """Return value as a number; what is none is not one that a `Timeouts` takes."""
    try:
        return float(value)  # type: ignore[arg-type]  # that is what is tried
    except (TypeError, ValueError):
        return math.nan


def _json(content: object) -> str:
    """Return content as JSON, with null for numbers that JSON has not. Raises TypeError, ValueError, RecursionError."""
    try:
        return json.dumps(content, default=_as_text, allow_nan=False)
    except ValueError:
        left_out: list[str] = []
        text = json.dumps(_finite(content, "", left_out), default=_as_text, allow_nan=False)
    logger.warning("value is left out, it is no finite number key=%s", one_line(", ".join(left_out), limit=300))
    return text


def _finite(value: object, key: str, left_out: list[str]) -> object:
    """Return a value with None for what is no finite number; the keys of these are added to `left_out`."""
    match value:
        case dict():
            return {name: _finite(member, f"{key}.{name}", left_out) for name, member in value.items()}
        case list() | tuple():
            return [_finite(member, f"{key}.{index}", left_out) for index, member in enumerate(value)]
        case float() if not math.isfinite(value):
            left_out.append(key.removeprefix("."))
            return None
    return value


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _address(host: str) -> dict[str, str]:
    """Return `ip`, the IPv4 address of a host, or nothing where its name leads to none."""
    try:
        return {"ip": socket.gethostbyname(host)}
    except (OSError, UnicodeError):  # the latter for labels of more than 63 characters
        return {}
