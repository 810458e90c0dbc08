"""A simulator of the stats service, both generations of its API at once, for tests of its clients.

It checks what the service checks, in the same order: path, token, body. What it has taken is in `events` and `points`.

>>> from urllib.request import urlopen
>>> with StatsServiceSimulator() as simulator, urlopen(simulator.url + "/ping/", timeout=10) as answer:
...     body = answer.read()
>>> body
b'{"status": "ok", "name": "stats-service", "version": "1.0.0"}'
"""

from typing import cast
from uuid import uuid4

from importer.simulators.base import HttpSimulator
from importer.simulators.http_wire import Answer, Handler, Request

TOKEN = "bWFkZSB1cCwgZm9yIGxvb3BiYWNr"  # noqa: S105 - made up, for loopback
_PING = {"status": "ok", "name": "stats-service", "version": "1.0.0"}
_FORBIDDEN = {
    "message": "Access was denied to this resource.\n\n\n\n\n",
    "code": "403 Forbidden",
    "title": "Forbidden",
}


class StatsServiceSimulator(HttpSimulator):
    """The service at `url` + base_path, which takes the tokens in `tokens`."""

    def __init__(self, *, base_path: str = "", port: int = 0, keep_requests: int | None = None) -> None:
        super().__init__(port=port, keep_requests=keep_requests)
        self.tokens = {TOKEN}
        self.events: dict[str, dict[str, object]] = {}
        """By their id, in the order in which they came."""
        self.points: list[dict[str, object]] = []
        for path in ("/", "/ping", "/ping/"):
            self.route("GET", base_path + path, lambda _request: Answer.json(_PING))
        for end in ("", "/"):
            self.route("POST", f"{base_path}/log/event{end}", self._guarded(self._post))
            self.route("GET", f"{base_path}/log/event/{{event_id}}{end}", self._guarded(self._get))

    def answer(self, request: Request) -> Answer:
        """Return the service's answer; what it does not know it tells in words of its own."""
        if not self._methods(request.path)[0]:
            return _error(404, request.path)
        return super().answer(request)

    def _guarded(self, handler: Handler) -> Handler:
        def guarded(request: Request) -> Answer:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme != "Token" or token not in self.tokens:
                return Answer.json(_FORBIDDEN, status=403)
            return handler(request)

        return guarded

    def _post(self, request: Request) -> Answer:
        try:
            content = request.json()
        except ValueError:
            return _error(400, "the body is not JSON")
        if isinstance(content, dict):
            return self._take_event(content)
        if isinstance(content, list):
            return self._take_points(content)
        return _error(400, "the body is neither an event nor a list of points")

    def _take_event(self, event: dict[str, object]) -> Answer:
        for key in ("uid", "event"):
            if key not in event:
                return _error(400, f"{key} is missing")
        event_id = str(event.get("event_id", f"entry_{uuid4().hex}"))
        self.events[event_id] = {**event, "event_id": event_id}
        return Answer.json(event_id)

    def _take_points(self, points: list[object]) -> Answer:
        for position, point in enumerate(points):
            if not _is_point(point):
                return _error(400, f"item {position} of the list is not a point")
        self.points += cast("list[dict[str, object]]", points)
        return Answer.json("OK")

    def _get(self, request: Request) -> Answer:
        event_id = request.path_values["event_id"]
        if event_id not in self.events:
            return _error(404, event_id)
        return Answer.json(self.events[event_id])


def _is_point(point: object) -> bool:
    match point:
        case {"measurement": str(name), "fields": dict(fields)}:
            return bool(name and fields)
    return False


def _error(status: int, message: str) -> Answer:
    return Answer.json({"success": False, "data": None, "message": message}, status=status)
