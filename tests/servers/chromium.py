"""A headless Chromium that tests drive as a person does: keys, clicks, and what is then to be seen.

It is spoken to in the DevTools protocol over a pair of pipes. That needs no Python package, no driver process and no
port, and tells of itself what selenium does not: every request, every line of the console.
https://chromedevtools.github.io/devtools-protocol/ (2026-11-28)
"""

import json
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.servers.process import MINIMAL_ENVIRONMENT, STOP_SECONDS, ServerFailed, die_with_parent

PROGRAM = "chromium-headless-shell"
ANSWER_SECONDS = 30.0
_PIPES = 'exec "$@" 3<&0 4>&1 0</dev/null 1>&2'  # it reads from descriptor 3, and writes to 4
_OPTIONS = (
    "--remote-debugging-pipe",
    "--no-sandbox",  # it needs rights that root and containers lack; all that is opened is our own page
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_UNTIL = """new Promise((resolve) => {
    const look = () => { const found = (%s); if (found) resolve(found); else requestAnimationFrame(look); };
    look();
})"""
Message = Mapping[str, Any]


class Chromium:
    """A browser with one page, for as long as the block lasts; `fresh_page` gives it another one, without memory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.events: list[Message] = []
        """What the page told of itself, as {"method": ..., "params": ...}."""
        self._process: subprocess.Popen[bytes] | None = None
        self._selector = selectors.DefaultSelector()
        self._buffer = b""
        self._calls = 0
        self._context = ""
        self._session = ""
        directory.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        """Start the browser and open an empty page."""
        with (self.directory / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                die_with_parent(
                    ["sh", "-c", _PIPES, "sh", PROGRAM, *_OPTIONS, f"--user-data-dir={self.directory / 'profile'}"]
                ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**MINIMAL_ENVIRONMENT, "HOME": str(self.directory)},
            )
        assert self._process.stdout is not None
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self.fresh_page()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the browser."""
        self._selector.close()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def fresh_page(self) -> None:
        """Open an empty page in a context of its own, in place of the one that is open, and forget what that told."""
        self._session = ""
        if self._context:
            self.call("Target.disposeBrowserContext", browserContextId=self._context)
        self._context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=self._context)["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.events.clear()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Return what a method of the protocol answers. Raises ServerFailed for an error, or no answer in time."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._calls += 1
        call = {"id": self._calls, "method": method, "params": parameters}
        if self._session:
            call["sessionId"] = self._session
        self._process.stdin.write(json.dumps(call).encode() + b"\0")
        self._process.stdin.flush()
        answer = self._next(lambda message: message.get("id") == self._calls, method)
        if "error" in answer:
            raise ServerFailed(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, url: str) -> None:
        """Open a page and return once all that it names is loaded."""
        self.load(lambda: self.call("Page.navigate", url=url), f"load of {url}")

    def load(self, begin: Callable[[], object], what: str) -> None:
        """Do what makes another page of this one, and return once all that the other one names is loaded."""
        before = len(self.told("Page.loadEventFired"))
        begin()
        if len(self.told("Page.loadEventFired")) == before:
            self._next(lambda message: message.get("method") == "Page.loadEventFired", what)

    def evaluate(self, expression: str) -> Any:
        """Return what an expression of JavaScript is, as JSON has it; of a promise, what it comes to."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise ServerFailed(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Return the first true value of an expression, which is looked at for each picture that is drawn."""
        try:
            return self.evaluate(_UNTIL % expression)
        except ServerFailed as error:
            raise ServerFailed(f"{error}; the page says: {self.evaluate('document.body.innerText')}") from error

    def click(self, selector: str) -> None:
        """Click the middle of the first element that a CSS selector finds."""
        x, y = self.evaluate(
            f"(() => {{ const found = document.querySelector({json.dumps(selector)});"
            " found.scrollIntoView({block: 'center', behavior: 'instant'});"
            " const box = found.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str, *, text: str = "") -> None:
        """Press and release a key by its name, as `Tab`; `text` is what it types."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, text=text, windowsVirtualKeyCode=codes[key]
            )

    def write(self, selector: str, text: str) -> None:
        """Put the focus into a field, and type in place of what is there."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).select()")
        self.call("Input.insertText", text=text)

    def let_pass(self, seconds: int) -> None:
        """Let timers run as if so many seconds passed, answers included; afterwards the page's clock stands still."""
        self.call("Emulation.setVirtualTimePolicy", policy="pauseIfNetworkFetchesPending", budget=seconds * 1000)
        self._next(lambda message: message.get("method") == "Emulation.virtualTimeBudgetExpired", "passing time")

    def told(self, method: str) -> list[Message]:
        """Return the parameters of all events of a kind so far, in their order."""
        return [event["params"] for event in self.events if event["method"] == method]

    def _next(self, is_wanted: Callable[[Message], bool], what: str) -> Message:
        """Return the next message that is wanted, and keep the events before it."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            while b"\0" in self._buffer:
                text, _, self._buffer = self._buffer.partition(b"\0")
                message: Message = json.loads(text)
                if "method" in message:
                    self.events.append(message)
                if is_wanted(message):
                    return message
            self._buffer += self._read(deadline, what)

    def _read(self, deadline: float, what: str) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0 or not self._selector.select(left):
            raise ServerFailed(f"{PROGRAM}: no answer to {what} within {ANSWER_SECONDS} s")
        assert self._process is not None
        assert self._process.stdout is not None
        data = os.read(self._process.stdout.fileno(), 2**16)
        if not data:
            raise ServerFailed(f"{PROGRAM} ended: {(self.directory / 'output.log').read_text()[-2000:]}")
        return data
