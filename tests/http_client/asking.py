"""What the tests of the HTTP client share: a request full of secrets, and rate limits that tell of waits."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from importer.errors import TransportError
from importer.http_client import HttpClient, RetryPolicy
from importer.rate_limit import RateLimit
from tests.http_servers import WAIT_SECONDS, Script, ScriptServer

SECRET = "s3cr3t-t0ken"
FACTS = {"timeout_seconds": 30, "connect_timeout_seconds": 10, "progress": ""}
ONCE = RetryPolicy(extra_attempts=0)


def failure(client: HttpClient, **request: Any) -> TransportError:
    """Return the error of a request that carries a secret wherever one can be, having checked that it hides it."""
    with pytest.raises(TransportError) as caught:
        client.request("POST", "/v1.0/x", params={"key": SECRET}, bearer=SECRET, json={"a": SECRET}, **request)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)
    assert str(caught.value).startswith(client.host)
    return caught.value


def reason_of(client_for: Callable[..., HttpClient], script: Script, **options: Any) -> str:
    with ScriptServer(script) as server:
        error = failure(client_for(server.url, retries=ONCE, **options))
    assert not error.unreachable
    return error.reason


class Holds(RateLimit):
    """Notes how long it was to hold, and doesn't."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[float] = []

    def hold(self, seconds: float) -> None:
        self.held.append(seconds)


class Holding(RateLimit):
    """Says when it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.holds = threading.Event()

    def hold(self, seconds: float) -> None:
        super().hold(seconds)
        self.holds.set()


@contextmanager
def closed_port() -> Iterator[str]:
    """A port that nobody listens on, and that nobody else gets meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def in_thread(call: Callable[[], object]) -> Callable[[], BaseException | None]:
    """Start call in a thread; the function returned waits for its end and gives the error."""
    errors: list[BaseException | None] = []

    def run() -> None:
        try:
            call()
            errors.append(None)
        except Exception as error:  # noqa: BLE001 - looked at by the test
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def result() -> BaseException | None:
        thread.join(WAIT_SECONDS)
        return errors[0]

    return result
