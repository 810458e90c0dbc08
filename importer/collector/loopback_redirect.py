"""Where a browser comes back to after a consent: a page on loopback that one redirect is waited for on."""

import queue
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from importer.errors import ImporterError

HOST = "127.0.0.1"
IDLE_SECONDS = 30
"""After which a connection on which nothing is asked is closed; browsers open some in advance."""

WAKE_SECONDS = 0.5
"""How soon an interrupt is noticed in any case."""

_PAGE = "<!DOCTYPE html><title>{text}</title><p>{text}\n"
_DONE = "Done: you may close this page, and go back to the terminal."
_NOT_THIS = "This is not the answer that is waited for. Open the link in the terminal again."


@dataclass(frozen=True, slots=True)
class Redirect:
    """What came back, from a consent that was given or refused."""

    code: str = field(default="", repr=False)
    """Is exchanged for tokens; empty after a refusal."""
    error: str = ""
    """Why there is no code, in the vendor's word."""


class RedirectPage(ThreadingHTTPServer):
    """Listens until the redirect with the right state has come; all else is answered, and passed over."""

    daemon_threads = True

    def __init__(self, *, port: int = 0, state: str) -> None:
        """Port 0 takes a free one. Raises OSError where nobody can listen on the port."""
        super().__init__((HOST, port), _Handler)
        self._state = state
        self._found: queue.SimpleQueue[Redirect] = queue.SimpleQueue()

    @property
    def address(self) -> str:
        """What the vendor has to redirect to."""
        return f"http://{HOST}:{self.server_port}"

    def redirect_in(self, target: str) -> Redirect | None:
        """Return what a request for a target brings; None where it is not what we wait for."""
        parts = urlsplit(target)
        given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.path != "/" or not secrets.compare_digest(given.get("state", "").encode(), self._state.encode()):
            return None
        redirect = Redirect(given.get("code", ""), given.get("error", ""))
        return redirect if redirect.code or redirect.error else None

    def found(self, redirect: Redirect) -> None:
        """Hand a redirect to who waits for it."""
        self._found.put(redirect)

    def wait(self) -> Redirect:
        """Return the redirect once it has come. Raises KeyboardInterrupt after an interrupt.

        One that comes as the wait begins, or to another thread, does not end the wait: it is begun again and again.
        """
        while True:
            with suppress(queue.Empty):
                return self._found.get(timeout=WAKE_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    timeout = IDLE_SECONDS
    server: RedirectPage

    def do_GET(self) -> None:
        redirect = self.server.redirect_in(self.path)
        text = _NOT_THIS if redirect is None else _DONE if redirect.code else f"No consent. {_DONE}"
        body = _PAGE.format(text=text).encode()
        self.send_response(404 if redirect is None else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)
        if redirect is not None:
            self.server.found(redirect)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: a request holds the code."""


@contextmanager
def redirect_page(*, port: int, state: str) -> Iterator[RedirectPage]:
    """Give a page that listens while the block lasts; raises ImporterError where it cannot."""
    try:
        page = RedirectPage(port=port, state=state)
    except OSError as error:
        raise ImporterError(f"{HOST}:{port}: cannot be listened on: {error.strerror}; choose another --port") from error
    with page:
        thread = threading.Thread(target=page.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield page
        finally:
            page.shutdown()
            thread.join()
