"""What an HTTP simulator has been asked and over which connections, and the rules that its requests meet."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from fnmatch import fnmatchcase

from importer.simulators.faults import Rule
from importer.simulators.http_connection import Connection, Exchange, Fault
from importer.simulators.http_wire import Answer, Head, Predicate, Request


class RequestRecord:
    """The part of an `HttpSimulator` that a test talks to; any thread may, while requests come in.

    `keep_requests` bounds the record for long runs.
    """

    def __init__(self, *, keep_requests: int | None = None) -> None:
        self.peak_requests = 0
        """The most requests that were being answered at the same time."""
        self.busy_count = 0
        """How many requests are being answered now; a client may have its answer a moment before this falls."""
        self._changed = threading.Condition()
        self._requests: deque[Request] = deque(maxlen=keep_requests)
        self._count = 0
        self._rules: list[Rule] = []
        self._connections: set[Connection] = set()
        self._connection_count = 0

    @property
    def requests(self) -> tuple[Request, ...]:
        """Everything asked until now, oldest first, whole requests only."""
        with self._changed:
            return tuple(self._requests)

    @property
    def request_count(self) -> int:
        """How many requests came, also those that `keep_requests` let go."""
        with self._changed:
            return self._count

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        with self._changed:
            return len(self._connections)

    def requests_to(self, pattern: str, *, method: str | None = None) -> tuple[Request, ...]:
        """Return the requests whose path fits the shell pattern, oldest first."""
        return tuple(
            request
            for request in self.requests
            if fnmatchcase(request.path, pattern) and method in {None, request.method}
        )

    def wait_for(self, what: int | Predicate = 1, *, timeout_seconds: float = 10.0) -> tuple[Request, ...]:
        """Return all requests once there are `what` of them; for a predicate those that fit, once one does.

        Raises TimeoutError.
        """

        def found() -> tuple[Request, ...]:
            if callable(what):
                return tuple(filter(what, self._requests))
            return tuple(self._requests) if self._count >= what else ()

        with self._changed:
            result = self._changed.wait_for(found, timeout_seconds)
            if not result:
                raise TimeoutError(f"{self._count} requests in {timeout_seconds:g} s, none of them {what}")
            return result

    def wait_for_connections(self, count: int, *, timeout_seconds: float = 10.0) -> None:
        """Return once exactly that many connections are open. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._connections) == count, timeout_seconds):
                raise TimeoutError(f"{len(self._connections)} connections are open, not {count}")

    def fail(self, fault: Answer | Fault, *, times: int | None = 1, when: str | Predicate = "*") -> Rule:
        """Let the next `times` requests (None: all) meet a fault, and return the rule that counts them.

        `when` is a shell pattern for the path or a predicate. Older rules come first.
        """
        rule = Rule.of(fault, times=times, when=when)
        with self._changed:
            self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """Forget all faults."""
        with self._changed:
            self._rules.clear()

    # For connections

    def add_connection(self, connection: Connection) -> int:
        """Return the number of a new connection."""
        with self._changed:
            self._connections.add(connection)
            self._connection_count += 1
            self._changed.notify_all()
            return self._connection_count

    def remove_connection(self, connection: Connection) -> None:
        """Forget a closed connection."""
        with self._changed:
            self._connections.discard(connection)
            self._changed.notify_all()

    def record(
        self, head: Head, body: bytes, *, connection: int, path_values: Mapping[str, str]
    ) -> tuple[Request, Fault]:
        """Record a request and return it with what is to be done about it."""
        with self._changed:
            request = Request(
                index=self._count,
                time=time.monotonic(),
                connection=connection,
                method=head.method,
                target=head.target,
                path=head.path,
                query=head.query,
                headers=head.headers,
                body=body,
                path_values=path_values,
            )
            self._count += 1
            self._requests.append(request)
            self.peak_requests = max(self.peak_requests, self.busy_count)
            self._changed.notify_all()
            rule = next((rule for rule in self._rules if rule.takes(request)), None)
        return request, rule.fault if rule else Exchange.proceed
