"""Which request is answered with what."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import TypeVar

from importer.dashboard.access import Guard
from importer.dashboard.api import Api, seconds_to_wait
from importer.dashboard.pages import locked_page, page, page_file
from importer.dashboard.snapshot import Snapshots
from importer.errors import ImporterError
from importer.http_server.message import ENDING, RETRY_AFTER, Answer, Headers, HttpError, Request, json_answer
from importer.http_server.static_file import safe_headers

logger = logging.getLogger(__name__)

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Answer]]

MAX_WAIT_SECONDS = 25
"""How long /api/status waits for news: less than a proxy waits for an answer."""
MAX_READING = 4
"""Requests that read a store at a time; others wait for them."""
_ALLOWED: Headers = ((b"allow", b"GET, HEAD"),)
_PRIVATE: Headers = ((b"cache-control", b"no-store"), (b"cross-origin-resource-policy", b"same-origin"))


class App:
    """Implements `http_server.connection.Application`."""

    def __init__(self, api: Api, snapshots: Snapshots, guard: Guard, executor: Executor) -> None:
        self._api = api
        self._snapshots = snapshots
        self._guard = guard
        self._executor = executor
        self._reading = asyncio.Semaphore(MAX_READING)
        self._routes: Mapping[str, Handler] = {
            "/api/status": self._status,
            "/api/series": self._series,
            "/api/suggested": self._suggested,
            "/api/points": self._points,
        }

    def stop(self) -> None:
        """Answer all who wait for news."""
        self._snapshots.stop()

    async def answer(self, request: Request) -> Answer:
        """Return the answer to a request, whatever comes of it."""
        try:
            return self.refusal(request) or await self._answer(request)
        except HttpError as error:
            return self.failure(error)
        except ImporterError as error:  # a state directory that somebody has changed since we began
            return self.failure(HttpError(503, str(error), headers=RETRY_AFTER))
        except asyncio.CancelledError:  # the grace of a process that ends is over
            return self.failure(ENDING)
        except Exception as bug:
            logger.exception("answered with 500: path=%.200r: %s", request.path, type(bug).__name__)
            return self.failure(HttpError(500, "a fault of its own; the log has it"))

    def refusal(self, request: Request) -> Answer | None:
        """Return the answer to what is no question, whose body nobody needs."""
        if request.method in {"GET", "HEAD"}:
            return None
        return self.failure(HttpError(405, "nothing can be changed here: use GET or HEAD", headers=_ALLOWED))

    def failure(self, error: HttpError) -> Answer:
        """Return an error as JSON."""
        headers = (*error.headers, *safe_headers(), *_PRIVATE)
        return json_answer({"error": error.message}, status=error.status, headers=headers)

    async def _answer(self, request: Request) -> Answer:
        self._guard.check_host(request)
        if request.path == "/":
            return self._page(request)
        file = page_file(request.path)
        if file is not None:
            return file
        self._guard.check_token(request)
        handler = self._routes.get(request.path)
        if handler is None:
            raise HttpError(404, "there is no such page")
        answer = await handler(request)
        return replace(answer, headers=(*answer.headers, *safe_headers(), *_PRIVATE))

    def _page(self, request: Request) -> Answer:
        """Return the page, also by its address with the token: a redirect would not bring a strict cookie along."""
        cookie = self._guard.entry(request)
        if cookie is not None:
            return page(cookie)
        try:
            self._guard.check_token(request)
        except HttpError:
            return locked_page(is_wrong="token" in request.query)
        return page()

    async def _status(self, request: Request) -> Answer:
        parameters = request.query
        seconds = seconds_to_wait(parameters, most=MAX_WAIT_SECONDS)
        version = parameters.get("after")
        if version is None:
            snapshot = await self._snapshots.latest()
        else:
            snapshot = await self._snapshots.other_than(version, seconds=seconds)
        return json_answer(snapshot.content)

    async def _series(self, request: Request) -> Answer:
        return json_answer(await self._read(partial(self._api.series, request.query)))

    async def _suggested(self, request: Request) -> Answer:
        return json_answer(await self._read(self._api.suggested))

    async def _points(self, request: Request) -> Answer:
        return json_answer(await self._read(partial(self._api.points, request.query)))

    async def _read(self, read: Callable[[], T]) -> T:
        """Return what a function reads from the disk."""
        async with self._reading:
            return await asyncio.get_running_loop().run_in_executor(self._executor, read)
