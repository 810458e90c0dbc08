"""Somebody who posts events while the service is changed or ended under it."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

from tests.events.service.service_site import WAIT_SECONDS, Service, ask


@dataclass
class Poster:
    """Posts events over connections that stay, as fast as they are answered."""

    port: int
    ids: list[str] = field(default_factory=list)
    failures: list[object] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, connections: int) -> None:
        self._threads = [threading.Thread(target=self._post) for _ in range(connections)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, more: int) -> None:
        """Wait until so many more events were answered, or nobody posts any more."""
        with self._changed:
            target = len(self.ids) + more
            assert self._changed.wait_for(lambda: len(self.ids) >= target or self.failures, WAIT_SECONDS)

    def stop(self) -> list[str]:
        """Return the ids that were answered, in the end."""
        self._stop.set()
        for thread in self._threads:
            thread.join(WAIT_SECONDS)
        return self.ids

    def _post(self) -> None:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)) as connection:
            while not self._stop.is_set():
                try:
                    reply = ask(connection, "POST", "/log/event/", {"event": "load", "uid": "u"})
                except (OSError, HTTPException) as error:
                    self._note(self.failures, error)
                    return
                self._note(self.ids if reply.status == 200 else self.failures, reply.json())

    def _note(self, notes: list[object] | list[str], note: object) -> None:
        with self._changed:
            notes.append(note)  # type: ignore[arg-type]
            self._changed.notify_all()


@contextmanager
def posting(service: Service, *, connections: int = 2) -> Iterator[Poster]:
    """Give somebody who posts while the block lasts."""
    poster = Poster(service.port)
    poster.start(connections)
    try:
        yield poster
    finally:
        poster.stop()
