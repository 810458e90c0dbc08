"""A simulator of Geckoboard: the addresses that widgets are pushed to, and the Datasets API, on one port.

What is known of the vendor is said in `importer.sinks.geckoboard`. Errors have its two forms: `{"message": ...}` for
pushes, `{"error": {"message": ...}}` for datasets, as its client libraries expect them.

>>> import json
>>> from urllib.request import Request as UrlRequest, urlopen
>>> body = json.dumps({"api_key": API_KEY, "data": {"item": [{"value": 802, "text": "today"}]}}).encode()
>>> with GeckoboardSimulator() as simulator:
...     request = UrlRequest(simulator.push_url("168760-44cd73a4"), body, {"Content-Type": "application/json"})
...     with urlopen(request, timeout=10) as answer:
...         said = answer.read()
>>> said, simulator.widgets["168760-44cd73a4"]
(b'{"success": true}', [{'item': [{'value': 802, 'text': 'today'}]}])

As a process, for benchmarks: the URL is the first line of its output.

    python -m importer.simulators.geckoboard --port 0
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Unpack

from importer.simulators.base import HttpSimulator, ServerOptions
from importer.simulators.basic_auth import basic_credentials
from importer.simulators.geckoboard_datasets import BadDataset, Dataset, Record, parse_dataset, parse_records
from importer.simulators.http_wire import Answer, Handler, Request
from importer.simulators.process import build_parser, serve_until_signalled

__all__ = ["API_KEY", "MAX_BODY_BYTES", "Dataset", "GeckoboardSimulator", "Record", "main"]

API_KEY = "222efc82e7933138077b1c2554439e15"
"""The one in all the vendor's examples."""
MAX_BODY_BYTES = 2**20
_WRONG_KEY = "Your API key is invalid"


class GeckoboardSimulator(HttpSimulator):
    """One account's dashboard.

    - `widgets` holds what was pushed to each widget key, oldest first; any key is one.
    - `datasets` holds the datasets by their ids.
    - `api_key` may be changed to refuse the old one from now on.
    - `requests_a_minute` bounds the calls of the Datasets API (the vendor: 60); None takes any number.
    """

    def __init__(
        self,
        *,
        api_key: str = API_KEY,
        requests_a_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        **options: Unpack[ServerOptions],
    ) -> None:
        super().__init__(**options)
        self.api_key = api_key
        self.requests_a_minute = requests_a_minute
        self.widgets: dict[str, list[object]] = {}
        self.datasets: dict[str, Dataset] = {}
        self._clock = clock
        self._calls: deque[float] = deque()
        self.route("POST", "/v1/send/{widget_key}", self._push)
        self.route("GET", "/", self._guarded(lambda _request: Answer.json({})))
        self.route("PUT", "/datasets/{dataset}", self._guarded(self._find_or_create))
        self.route("DELETE", "/datasets/{dataset}", self._guarded(self._delete))
        self.route("PUT", "/datasets/{dataset}/data", self._guarded(self._replace))
        self.route("POST", "/datasets/{dataset}/data", self._guarded(self._append))

    def push_url(self, widget_key: str) -> str:
        """Return the address of a widget. Known once started."""
        return f"{self.url}/v1/send/{widget_key}"

    def wait_for_widget(self, widget_key: str, count: int = 1, *, timeout_seconds: float = 10.0) -> list[object]:
        """Return what was pushed to a widget once there are that many states. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.widgets.get(widget_key, ())) >= count, timeout_seconds):
                raise TimeoutError(f"{widget_key}: fewer than {count} states in {timeout_seconds:g} s")
            return list(self.widgets[widget_key])

    def _push(self, request: Request) -> Answer:
        if len(request.body) > MAX_BODY_BYTES:
            return Answer.json({"message": "The payload is too large"}, status=413)
        try:
            body = request.json()
        except ValueError:
            return Answer.json({"message": "The payload is not JSON"}, status=400)
        match body:
            case {"api_key": key, "data": data, **rest} if not rest:
                return self._keep(request.path_values["widget_key"], data) if key == self.api_key else _wrong_key()
        return Answer.json({"message": "The payload is not: api_key, data"}, status=400)

    def _keep(self, widget_key: str, data: object) -> Answer:
        with self._changed:
            self.widgets.setdefault(widget_key, []).append(data)
            self._changed.notify_all()
        return Answer.json({"success": True})

    def _guarded(self, handler: Handler) -> Handler:
        """Return the handler behind what all calls of the Datasets API have in common."""

        def guarded(request: Request) -> Answer:
            if basic_credentials(request) != (self.api_key, ""):
                return _error(401, _WRONG_KEY)
            if not self._count_call():
                return _error(429, "You have exceeded the API rate limit")
            if len(request.body) > MAX_BODY_BYTES:
                return _error(413, "The request is too large")
            try:
                return handler(request)
            except BadDataset as error:
                return _error(400, str(error))
            except ValueError:
                return _error(400, "The request is not JSON")

        return guarded

    def _count_call(self) -> bool:
        if self.requests_a_minute is None:
            return True
        now = self._clock()
        while self._calls and self._calls[0] <= now - 60:
            self._calls.popleft()
        if len(self._calls) >= self.requests_a_minute:
            return False
        self._calls.append(now)
        return True

    def _find_or_create(self, request: Request) -> Answer:
        described = parse_dataset(request.path_values["dataset"], request.json())
        known = self.datasets.get(described.id)
        if known is None:
            self.datasets[described.id] = described
            return Answer.json(described.as_json(), status=201)
        if known.as_json() != described.as_json():
            return _error(409, f"A dataset {known.id} with another schema exists")
        return Answer.json(known.as_json())

    def _delete(self, request: Request) -> Answer:
        if self.datasets.pop(request.path_values["dataset"], None) is None:
            return _no_dataset(request)
        return Answer.json({})

    def _replace(self, request: Request) -> Answer:
        return self._change(request, Dataset.replace)

    def _append(self, request: Request) -> Answer:
        return self._change(request, Dataset.append)

    def _change(self, request: Request, change: Callable[[Dataset, Sequence[Record]], None]) -> Answer:
        dataset = self.datasets.get(request.path_values["dataset"])
        if dataset is None:
            return _no_dataset(request)
        change(dataset, parse_records(request.json()))
        return Answer.json({})


def _wrong_key() -> Answer:
    return Answer.json({"message": _WRONG_KEY}, status=401)


def _no_dataset(request: Request) -> Answer:
    return _error(404, f"There is no dataset {request.path_values['dataset']}")


def _error(status: int, message: str) -> Answer:
    return Answer.json({"error": {"message": message}}, status=status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line on standard output is the URL."""
    parser = build_parser("importer.simulators.geckoboard", main.__doc__)
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    options = parser.parse_args(arguments)
    simulator = GeckoboardSimulator(
        host=options.host, port=options.port, latency_seconds=options.latency, keep_requests=0
    )
    serve_until_signalled(simulator, lambda: simulator.url)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
