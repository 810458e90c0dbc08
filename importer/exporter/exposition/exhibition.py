"""Answers the requests that come to one port: who may, gets the page."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar
from urllib.parse import parse_qs

from importer.exporter.exposition.basic_auth import Passwords, credentials_of
from importer.exporter.exposition.negotiation import accepts_gzip
from importer.exporter.exposition.page import Page
from importer.exporter.exposition.web_config import WebConfig
from importer.http_server.message import ENDING, Answer, Headers, HttpError, Request

logger = logging.getLogger(__name__)

MAX_RENDERING = 8
"""Scrapes of one port that may be worked on at a time; more wait."""
MAX_CHECKED_PASSWORDS = 2
"""Passwords that may be looked at at a time: who guesses them does not keep others from their scrapes."""

_TEXT: Headers = ((b"content-type", b"text/plain; charset=utf-8"),)
_ALLOWED: Headers = ((b"allow", b"GET, HEAD"),)
_ASK_FOR_PASSWORD: Headers = ((b"www-authenticate", b"Basic"),)

T = TypeVar("T")


class Exhibition:
    """Implements `http_server.connection.Application` for a page, which may become another one."""

    def __init__(self, page: Page, web: WebConfig) -> None:
        self._rendering = asyncio.Semaphore(MAX_RENDERING)
        self._checking = asyncio.Semaphore(MAX_CHECKED_PASSWORDS)
        self._page = page
        self._web = web
        self._passwords = _passwords(web)

    def change(self, page: Page, web: WebConfig) -> None:
        """Answer by these from now on."""
        if web.users != self._web.users:
            self._passwords = _passwords(web)
        self._page, self._web = page, web

    async def answer(self, request: Request) -> Answer:
        """Return the page, whatever the path is, or why not."""
        try:
            return await self._answer(request)
        except HttpError as error:
            return self.failure(error)
        except asyncio.CancelledError:
            return self.failure(ENDING)
        except Exception as bug:
            logger.exception("a fault of its own: %s", type(bug).__name__)
            return self.failure(HttpError(500, "a fault of the service"))

    def refusal(self, request: Request) -> Answer | None:
        """Let every body come: nobody sends any."""
        return None

    def failure(self, error: HttpError) -> Answer:
        """Return an error as text."""
        return Answer(error.status, f"{error.message}\n".encode(), (*_TEXT, *error.headers, *self._web.headers))

    async def _answer(self, request: Request) -> Answer:
        page, web = self._page, self._web
        await self._check_password(request)
        if request.method not in {"GET", "HEAD"}:
            raise HttpError(405, "use GET", headers=_ALLOWED)
        if request.path == "/favicon.ico":
            return Answer(200, b"", web.headers)
        names = parse_qs(request.query_string.decode("latin-1")).get("name[]")
        accept, is_packed = request.header(b"accept") or "", accepts_gzip(request.header(b"accept-encoding") or "")
        async with self._rendering:
            wanted = None if names is None else frozenset(names)
            body, content_type, coding = await in_thread(partial(page.answer, accept, wanted, gzip=is_packed))
        headers: Headers = ((b"content-type", content_type.encode()), *web.headers)
        return Answer(200, body, headers if coding is None else (*headers, (b"content-encoding", coding.encode())))

    async def _check_password(self, request: Request) -> None:
        """Raise HttpError for a request without the right one."""
        passwords, given = self._passwords, credentials_of(request.header(b"authorization"))
        if passwords is None or (given is not None and await self._is_right(passwords, *given)):
            return
        raise HttpError(401, "a name and its password are needed", headers=_ASK_FOR_PASSWORD)

    async def _is_right(self, passwords: Passwords, name: str, password: bytes) -> bool:
        if passwords.is_remembered(name, password):
            return True
        async with self._checking:
            return await in_thread(partial(passwords.is_right, name, password))


def _passwords(web: WebConfig) -> Passwords | None:
    return Passwords(web.users) if web.users else None


async def in_thread(function: Callable[[], T]) -> T:
    """Return what a function returns in a daemon thread: what users register may hang, and the process has to end."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def work() -> None:
        try:
            result = function()
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            future.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - it would end the loop
            future.set_exception(RuntimeError(type(error).__name__))
        else:
            future.set_result(result)

    threading.Thread(target=work, name="scrape", daemon=True).start()
    return await asyncio.wrap_future(future)
