"""A simulator of Rapid7's Log Search (once Logentries): queries that take some polls, with plausible figures.

What is known of the vendor is said in `importer.sources.logentries.api`. Every figure follows from logs, statement
and window alone: ask `log_search_figures.final_answer`.

>>> import json
>>> from urllib.request import Request as UrlRequest, urlopen
>>> during = {"from": 1466503200000, "to": 1466503800000}
>>> query = {"logs": [LOG], "leql": {"during": during, "statement": "where(status>=200) calculate(count)"}}
>>> headers = {"x-api-key": API_KEY, "Content-Type": "application/json"}
>>> with LogSearchSimulator() as simulator:
...     request = UrlRequest(simulator.query_url, json.dumps(query).encode(), headers)
...     with urlopen(request, timeout=10) as answer:
...         statistics = json.load(answer)["statistics"]
>>> statistics["type"], statistics["granularity"], len(statistics["timeseries"]["global_timeseries"])
('count', 60000, 10)

As a process, for benchmarks and for tests that kill things: the URL is the first line of its output.

    python -m importer.simulators.log_search --port 0 --polls 2 --latency 0.05
"""

import re
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from importer.simulators.base import HttpSimulator, ServerOptions
from importer.simulators.http_wire import Answer, Handler, Request
from importer.simulators.log_search_figures import Question, final_answer, partial_statistics
from importer.simulators.process import build_parser, serve_until_signalled

__all__ = ["API_KEY", "LOG", "LogSearchSimulator", "Question", "final_answer", "main"]

API_KEY = "0f1e2d3c-rw-example"
LOG = "a96d464b-acf7-43c8-b133-4df8551e718d"
MAX_KEPT_QUERIES = 1000

_TIME_RANGE = re.compile(r"last (\d{1,4}) (minute|hour|day|week)s?", re.I)
_UNIT_MS = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 604_800_000}


class BadQuery(ValueError):
    """What was asked does not make sense; the text goes to the client with 400, and a code where the vendor has one."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.answer = Answer.json(({"errorCode": code} if code else {}) | {"message": message}, status=400)


@dataclass(slots=True)
class _Running:
    question: Question
    polls_left: int


class LogSearchSimulator(HttpSimulator):
    """One account's logs.

    - `polls` is how many times the client has to ask after posting a query; 0 answers at once. While a query runs
      the status is `running_status`, 202 or 200.
    - `answers` serves something fixed in place of figures, a JSON value or an `Answer`, by statement.
    - `logs` are the keys of the logs that there are; None takes any UUID for one.
    - `api_key` may be changed to refuse the old one from now on.
    - `base_path` is where queries lie on the Platform's hosts: `/log_search`.
    """

    def __init__(
        self,
        *,
        api_key: str = API_KEY,
        logs: Collection[str] | None = None,
        polls: int = 0,
        running_status: int = 202,
        base_path: str = "",
        clock: Callable[[], float] = time.time,
        **options: Unpack[ServerOptions],
    ) -> None:
        super().__init__(**options)
        self.api_key = api_key
        self.logs = logs
        self.polls = polls
        self.running_status = running_status
        self.answers: dict[str, object] = {}
        self._base_path = base_path
        self._clock = clock
        self._running: dict[str, _Running] = {}
        self.route("POST", f"{base_path}/query/logs/", self._guarded(self._post))
        self.route("GET", f"{base_path}/query/logs/{{logs}}", self._guarded(self._get))
        self.route("GET", f"{base_path}/query/{{query_id}}", self._guarded(self._poll))
        self.route("GET", "/validate", self._guarded(lambda _request: Answer.json({"message": "Authorized"})))

    @property
    def base_url(self) -> str:
        """What a configuration has as `url`. Known once started."""
        return f"{self.url}{self._base_path}"

    @property
    def query_url(self) -> str:
        """Where queries are posted. Known once started."""
        return f"{self.base_url}/query/logs/"

    def _guarded(self, handler: Handler) -> Handler:
        """Return the handler behind what all calls have in common."""

        def guarded(request: Request) -> Answer:
            if request.headers.get("x-api-key") != self.api_key:
                return Answer.json({"message": "Unauthorized"}, status=401)
            try:
                return handler(request)
            except BadQuery as error:
                return error.answer

        return guarded

    def _post(self, request: Request) -> Answer:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return Answer.json({"message": "HTTP 415 Unsupported Media Type"}, status=415)
        try:
            body = request.json()
        except ValueError as error:
            raise BadQuery("Unable to process JSON") from error
        return self._start(parse_query(body, now=self._clock()))

    def _get(self, request: Request) -> Answer:
        logs = request.path_values["logs"].split(":")
        if not all(map(self._is_log, logs)):
            return _not_found()
        window = {name: request.query.get(name, "") for name in ("from", "to")}
        if not all(value.isdecimal() for value in window.values()):
            raise BadQuery("from and to must be in ms since 1970")
        during = {name: int(value) for name, value in window.items()}
        leql = {"during": during, "statement": request.query.get("query", "")}
        return self._start(parse_query({"logs": logs, "leql": leql}, now=self._clock()))

    def _start(self, question: Question) -> Answer:
        if not all(map(self._is_log, question.logs)):
            return _not_found()
        if not self.polls:
            return self._finished(question)
        query_id = f"{uuid.uuid4()}:1:43e3"
        self._running[query_id] = _Running(question, self.polls)
        if len(self._running) > MAX_KEPT_QUERIES:
            del self._running[next(iter(self._running))]
        return self._under_way(query_id, self._running[query_id])

    def _poll(self, request: Request) -> Answer:
        """Return how far a query is; its final answer may be asked for again."""
        query_id = request.path_values["query_id"]
        running = self._running.get(query_id)
        if running is None:
            return _not_found()
        running.polls_left = max(0, running.polls_left - 1)
        return self._under_way(query_id, running) if running.polls_left else self._finished(running.question)

    def _under_way(self, query_id: str, running: _Running) -> Answer:
        logs = ":".join(running.question.logs)
        answer = {
            **running.question.described(),
            "id": query_id,
            "progress": 100 * (self.polls - running.polls_left) // max(1, self.polls),
            "events": [],
            "partial": partial_statistics(running.question),
            "links": [{"rel": "Self", "href": f"{self.base_url}/query/{query_id}?log_keys={logs}"}],
        }
        return Answer.json(answer, status=self.running_status)

    def _finished(self, question: Question) -> Answer:
        if question.statement in self.answers:
            fixed = self.answers[question.statement]
            return fixed if isinstance(fixed, Answer) else Answer.json(fixed)
        answer = final_answer(question)
        if "events" in answer:
            logs, last = ":".join(question.logs), answer["events"][-1]["sequence_number"]
            href = f"{self.query_url}{logs}?per_page={len(answer['events'])}&sequence_number={last}"
            answer["links"] = [{"rel": "Next", "href": href}]
        return Answer.json(answer)

    def _is_log(self, key: str) -> bool:
        return _is_uuid(key) if self.logs is None else key in self.logs


def parse_query(body: object, *, now: float) -> Question:
    """Return what a request's body asks; raises BadQuery for anything but the members that the vendor documents."""
    match body:
        case {"logs": [str(), *_] as logs, "leql": {"during": during, "statement": str(statement), **extra}, **rest}:
            if extra or rest or not all(isinstance(key, str) for key in logs):
                raise BadQuery("Unable to process JSON: unrecognized field")
            if not _is_leql(statement):
                raise BadQuery("Invalid LEQL statement", code="301003")
            return Question(tuple(logs), statement, *_window(during, now))
    raise BadQuery("Unable to process JSON: logs and leql with during and statement are needed")


def _window(during: object, now: float) -> tuple[int, int]:
    match during:
        case {"from": int(start_ms), "to": int(end_ms), **rest} if not rest and _is_window(start_ms, end_ms):
            return start_ms, end_ms
        case {"time_range": str(words), **rest} if not rest and (found := _TIME_RANGE.fullmatch(words)):
            end_ms = int(now * 1000)
            return end_ms - int(found[1]) * _UNIT_MS[found[2].lower()], end_ms
    raise BadQuery("Invalid time range")


def _is_window(start_ms: Any, end_ms: Any) -> bool:
    return not isinstance(start_ms, bool) and not isinstance(end_ms, bool) and 0 <= start_ms < end_ms


def _is_leql(statement: str) -> bool:
    """Return whether a statement could be one: its parentheses match, outside of quotes and regular expressions."""
    bare = re.sub(r'"[^"]*"|/[^/]*/', "", statement)
    return bool(bare.strip()) and bare.count("(") == bare.count(")") > 0


def _is_uuid(text: str) -> bool:
    try:
        return uuid.UUID(text).int != 0 and len(text) == 36
    except ValueError:
        return False


def _not_found() -> Answer:
    return Answer.json({"message": "HTTP 404 Not Found"}, status=404)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line on standard output is the URL."""
    parser = build_parser("importer.simulators.log_search", main.__doc__)
    parser.add_argument("--polls", type=int, default=0, metavar="COUNT")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    options = parser.parse_args(arguments)
    simulator = LogSearchSimulator(
        polls=options.polls,
        host=options.host,
        port=options.port,
        latency_seconds=options.latency,
        keep_requests=0,
    )
    serve_until_signalled(simulator, lambda: simulator.url)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
