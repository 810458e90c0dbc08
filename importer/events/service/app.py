"""The endpoints of stats-service, and what they answer: specification of stats-service, 2.

The order of checks is path and method, token, body; each answer of 200 to a POST means that all of it is on the disk.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import unquote

from importer import __version__
from importer.errors import OutboxError, OutboxFull, SinkError
from importer.events.archive_view import ArchiveView
from importer.events.posted import BadPost, parse_post
from importer.events.query import EventStore
from importer.events.service.intake import Intake
from importer.events.service.listing import Window, asks_store, merge, read_query
from importer.events.service.meters import Meters
from importer.events.service.pages import PATHS, page_file
from importer.events.service.vitals import Vitals
from importer.events.tokens.authorization import Authorizer, Forbidden
from importer.http_server.message import ENDING, RETRY_AFTER, Answer, HttpError, Request, json_answer

logger = logging.getLogger(__name__)

T = TypeVar("T")
Handler = Callable[[Request, str], Awaitable[Answer]]

_PING = json_answer({"status": "ok", "name": "stats-service", "version": __version__})
_FORBIDDEN = json_answer(
    {
        "message": "Access was denied to this resource.\n\n\n\n\n",
        "code": "403 Forbidden",
        "title": "Forbidden",
    },
    status=403,
)
_EVENT = "/log/event"
MAX_ASKING = 64
"""Requests that may wait for the store at once."""
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_OVERRIDES = frozenset({"PUT", "DELETE", "OPTIONS", "PATCH"})


class App:
    """What answers the requests of one process."""

    def __init__(
        self,
        *,
        intake: Intake,
        view: ArchiveView,
        lists: ArchiveView,
        store: EventStore | None,
        authorizer: Authorizer,
        vitals: Vitals,
        meters: Meters,
    ) -> None:
        """`lists` is another view, as lists take longer than an event should be waited for."""
        self._intake = intake
        self._view = view
        self._lists = lists
        self._store = store
        self._authorizer = authorizer
        self._vitals = vitals
        self._meters = meters
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="reader")
        self._askers = ThreadPoolExecutor(4, thread_name_prefix="store")
        self._asking = 0
        self._told = ""
        """Of which outage the log knows."""
        self._routes: Mapping[str, Mapping[str, Handler]] = {
            "/": {"GET": self._root},
            "/ping": {"GET": self._ping},
            "/ping/": {"GET": self._ping},
            "/health": {"GET": self._health},
            "/metrics": {"GET": self._metrics},
            "/log/events": {"GET": self._list},
            "/log/counts": {"GET": self._counts},
            _EVENT: {"POST": self._post},
            f"{_EVENT}/": {"POST": self._post},
            **{path: {"GET": self._page_file} for path in PATHS},
        }

    @property
    def paths(self) -> dict[str, list[str]]:
        """Return the methods of each path, beside HEAD; `{id}` stands for the id of an event."""
        of_event = {path: ["GET"] for path in (f"{_EVENT}/{{id}}", f"{_EVENT}/{{id}}/")}
        return {path: list(handlers) for path, handlers in self._routes.items()} | of_event

    def close(self) -> None:
        """Give back what reads; what was begun is finished."""
        self._readers.shutdown()
        self._askers.shutdown(wait=False, cancel_futures=True)
        self._view.close()
        self._lists.close()

    async def answer(self, request: Request) -> Answer:
        """Return the answer to a request, whatever comes of it."""
        if request.refusal is not None:
            return request.refusal
        try:
            handler, parameter = self._route(request)
            return await handler(request, parameter)
        except asyncio.CancelledError:  # the grace of a process that ends is over
            return self.failure(ENDING)
        except (HttpError, Forbidden, BadPost, OutboxError, SinkError) as error:
            return self._excuse(request, error)
        except Exception as bug:  # it costs this request alone
            logger.exception("answered with 500: method=%s path=%.200r", request.method, request.path)
            return self._excuse(request, bug)

    def refusal(self, request: Request) -> Answer | None:
        """Return the answer to a request whose body matters to nobody, None if it may matter."""
        try:
            handler, _ = self._route(request)
            if handler == self._post:
                self._authorize(request)
                request.is_authorized = True
                request.check_size()
        except (HttpError, Forbidden) as error:
            return self._excuse(request, error)
        return None

    def failure(self, error: HttpError) -> Answer:
        """Return the answer of the specification, 2.1."""
        content = {"success": False, "data": None, "message": error.message}
        return json_answer(content, status=error.status, headers=error.headers)

    def _excuse(self, request: Request, error: Exception) -> Answer:
        """Return the answer to a request that has failed, and count it."""
        match error:
            case HttpError():
                reason, answer = str(error.status), self.failure(error)
            case Forbidden():
                logger.info("forbidden: method=%s path=%.200r: %s", request.method, request.path, error.reason)
                reason, answer = "forbidden", _FORBIDDEN
            case BadPost():
                reason, answer = "invalid", self.failure(HttpError(400, error.reason))
            case OutboxError() | SinkError():
                self._tell(f"answered with 503: {error}")
                reason, answer = "unavailable", self.failure(HttpError(503, _public(error), headers=RETRY_AFTER))
            case _:
                reason, answer = "error", self.failure(HttpError(500, "an internal error; the log has it"))
        self._meters.rejected.labels(reason).inc()
        return answer

    def _tell(self, outage: str) -> None:
        """Log an outage once, not for each of thousands of requests."""
        if outage != self._told:
            self._told = outage
            logger.error("%s", outage)

    def _route(self, request: Request) -> tuple[Handler, str]:
        """Return who handles a request, and its path or the id of an event in it. Raises HttpError."""
        handlers, parameter = self._find(request.path)
        method = request.method
        if method == "POST":
            override = (request.header(b"x-http-method-override") or "").strip().upper()
            method = override if override in _OVERRIDES else method
        handler = handlers.get("GET" if method == "HEAD" else method)
        if handler is None:
            allowed = ", ".join([*handlers, "HEAD"] if "GET" in handlers else handlers)
            message = f"{method} is not for {request.path}; allowed: {allowed}"
            raise HttpError(405, message, headers=((b"allow", allowed.encode()),))
        return handler, parameter

    def _find(self, raw_path: str) -> tuple[Mapping[str, Handler], str]:
        """Return the handlers of a path by method, and the path or the id of an event in it."""
        path = _ENCODED.sub(_decoded, raw_path) if "%" in raw_path else raw_path
        handlers = self._routes.get(path)
        if handlers is not None:
            return handlers, path
        head, _, event_id = path.removesuffix("/").rpartition("/")
        if head != _EVENT or not event_id:
            raise HttpError(404, unquote(raw_path))
        return {"GET": self._get}, unquote(event_id)

    async def _root(self, request: Request, _: str) -> Answer:
        if _wants_html(request.header(b"accept") or ""):
            return page_file("/")
        return _PING

    async def _page_file(self, request: Request, path: str) -> Answer:
        return page_file(path)

    async def _ping(self, request: Request, _: str) -> Answer:
        return _PING

    async def _health(self, request: Request, _: str) -> Answer:
        reasons = await self._read(self._vitals.reasons)
        status = "ok" if not reasons else "not ready"
        backlog = await self._read(self._vitals.backlog)
        content = {"status": status, "reasons": reasons, "destinations": backlog}
        return json_answer(content, status=503 if reasons else 200)

    async def _metrics(self, request: Request, _: str) -> Answer:
        text = await self._read(self._vitals.exposition)
        return Answer(200, text, ((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),))

    async def _post(self, request: Request, _: str) -> Answer:
        if not request.is_authorized:
            self._authorize(request)
        posted = parse_post(request.body())
        if posted.drafts:
            await self._intake.accept(posted.drafts)
            self._told = ""
        return Answer(200, posted.answer)

    async def _get(self, request: Request, event_id: str) -> Answer:
        self._authorize(request)
        found = await self._read(self._view.find, event_id)
        if found is None and self._store is not None:
            found = await self._ask(self._store.find, event_id.strip())
        if found is None:
            raise HttpError(404, event_id.strip())
        return json_answer(found)

    async def _list(self, request: Request, _: str) -> Answer:
        self._authorize(request)
        query = read_query(request.query)
        store = self._store if asks_store(request.query) else None
        kept = await self._read(self._lists.recent, query)
        stored = [] if store is None else await self._ask(store.recent, query)
        return json_answer(merge(query, kept, stored))

    async def _counts(self, request: Request, _: str) -> Answer:
        self._authorize(request)
        window = Window(request.query)
        return json_answer(await self._read(self._count, window))

    def _count(self, window: Window) -> dict[str, object]:
        return window.content(self._lists.counts(window.since_minute, step_minutes=window.step_minutes))

    def _authorize(self, request: Request) -> None:
        self._authorizer.authorize(request.header(b"authorization"))

    async def _read(self, read: Callable[..., T], *arguments: object) -> T:
        """Return what a function reads that may wait for a disk."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, read, *arguments)

    async def _ask(self, ask: Callable[..., T], *arguments: object) -> T:
        """Return what a function asks the store, which may hang: it holds up nothing that does without."""
        if self._asking >= MAX_ASKING:
            raise HttpError(503, "too many wait for the store", headers=RETRY_AFTER)
        self._asking += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._askers, ask, *arguments)
        finally:
            self._asking -= 1


def _decoded(match: re.Match[str]) -> str:
    """Return the character that is encoded where it need not be: it is the same one, RFC 3986, 6.2.2.2."""
    sign = chr(int(match[1], 16))
    return sign if _UNRESERVED.fullmatch(sign) else match[0]


def _wants_html(accept: str) -> bool:
    """Return whether an Accept header asks for text/html."""
    ranges = (part.replace(" ", "").lower() for part in accept.split(","))
    return any(re.fullmatch(r"text/html(;(?!q=0(\.0*)?(;|$))[^;]*)*", part) for part in ranges)


def _public(error: OutboxError | SinkError) -> str:
    """Return why something cannot be done now, in words for anybody: without addresses."""
    if isinstance(error, SinkError):
        return "the store cannot be asked now"
    return "the queue for the store is full" if isinstance(error, OutboxFull) else error.reason
