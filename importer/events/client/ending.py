"""The end of the program, as the queues of the client see it: when it has begun, and how long it may be held up."""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

_TELLING_SECONDS = 1.0
"""How long a thread that logs may keep the end of the program."""

EXIT_SECONDS = 10.0
"""How long the end of the program may be held up, for all queues together."""


class Ending:
    """The end of this process. Once it has begun, whoever adds an event posts it, as no thread can be relied on.

    A thread that is started while the interpreter is taken down never runs, and one that was there is stopped where
    it stands: https://docs.python.org/3.11/c-api/init.html#c.Py_FinalizeEx (2026-11-28).
    """

    def __init__(self) -> None:
        self.until: float | None = None
        """When it has to be over, of `time.monotonic`; None while it has not begun."""
        self._finalizer: Any = None
        self._telling = threading.Lock()
        self._is_over = False

    def tell(self, log: Callable[[], None]) -> None:
        """Log, unless we are a thread that may be stopped where it stands.

        One that is, with the lock of standard error in its hands, takes the whole program down: "could not acquire
        lock ... at interpreter shutdown, possibly due to daemon threads".
        """
        if threading.current_thread() is threading.main_thread():
            log()
            return
        with self._telling:
            if not self._is_over:
                log()

    def conclude(self) -> None:
        """Let no other thread log from now on: the interpreter is about to be taken down."""
        has_lock = self._telling.acquire(timeout=_TELLING_SECONDS)
        self._is_over = True
        if has_lock:
            self._telling.release()

    def begin(self, seconds: float) -> float:
        """Let it begin, unless it has; return until when it may last."""
        if self.until is None:
            self.until = time.monotonic() + seconds
        return self.until

    def has_begun(self) -> bool:
        """Return whether it has begun, with or without a word to us."""
        if self.until is None and sys.is_finalizing():
            self.begin(EXIT_SECONDS)
        return self.until is not None

    def forget(self) -> None:
        """Become as new, for a process that was forked."""
        self.until = None
        self._telling = threading.Lock()
        self._is_over = False

    def call_in_workers(self, end: Callable[[], None]) -> None:
        """Have a function called at the end of this process, if that is a child of multiprocessing.

        Most of these run no handlers of atexit, and before their target begins they forget what was to be called: so
        this has to be said again and again.
        """
        process, util = (sys.modules.get(f"multiprocessing.{name}") for name in ("process", "util"))
        if process is None or util is None or process.parent_process() is None:
            return
        if self._finalizer is None or not self._finalizer.still_active():
            self._finalizer = util.Finalize(None, end, exitpriority=10)
