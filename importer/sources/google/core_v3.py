"""Core Reporting API v3 and Real Time Reporting API v3, as stand-ins and proxies still speak them.

Google switched its own off on 1 July 2024. What they were: a recorded answer is in tests/collector/golden/.
"""

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qsl, urlsplit

from importer.errors import BadAnswer, SourceError
from importer.sources.google.api import Answer, GoogleApi
from importer.sources.google.names import SOURCE
from importer.sources.google.question import Question, Row, limited

CORE_PATH = "/data/ga"
REALTIME_PATH = "/data/realtime"


class CoreV3:
    """Asks v3; `on_request` is called with the view, as in `ga:123`, before each request for a report."""

    def __init__(self, api: GoogleApi, *, on_request: Callable[[str], None]) -> None:
        self._api = api
        self._on_request = on_request

    def rows(self, question: Question) -> Iterator[Row]:
        """Yield the rows of a report, page by page; raises SourceError."""
        return limited(question, self._rows(question))

    def active_users(self, parameters: Mapping[str, object]) -> int:
        """Return how many users are active now; `parameters` are passed on as they are. Raises SourceError."""
        sent = {key: ",".join(value) if isinstance(value, list) else str(value) for key, value in parameters.items()}
        answer = self._api.ask("GET", REALTIME_PATH, params=sent)
        column = _metric_column(answer)
        try:
            return sum(int(row[column]) for row in _rows_in(answer))
        except (ValueError, IndexError) as error:
            raise BadAnswer(SOURCE, "the realtime answer holds no whole number for its metric") from error

    def _rows(self, question: Question) -> Iterator[Row]:
        parameters = core_parameters(question)
        received = 0
        while True:
            self._on_request(parameters.get("ids", ""))
            answer = self._api.ask("GET", CORE_PATH, params=parameters)
            rows = _rows_in(answer)
            yield from (_row(question, row) for row in rows)
            received += len(rows)
            link = answer.get("nextLink")
            if not isinstance(link, str) or not rows or not question.wants_more(received):
                return
            parameters = dict(parse_qsl(urlsplit(link).query))


def core_parameters(question: Question) -> dict[str, str]:
    """Return the parameters of a request for a report; what the query does not give is left out."""
    parameters = {
        "ids": prefixed(question.id),
        "start-date": question.start.isoformat(),
        "end-date": question.end.isoformat(),
        "metrics": ",".join(map(prefixed, question.metrics)),
        "dimensions": ",".join(map(prefixed, question.dimensions)),
        "filters": ",".join(map(prefixed, question.filters)),
        "sort": ",".join(map(prefixed, question.sort)),
        "max-results": str(question.max_results or ""),
        "segment": question.segment,
    }
    return {name: value for name, value in parameters.items() if value}


def prefixed(name: str) -> str:
    """Return a name, or what begins with one, with `ga:` before it.

    >>> prefixed("sessions"), prefixed("ga:sessions"), prefixed("-sessions")
    ('ga:sessions', 'ga:sessions', '-ga:sessions')
    """
    sign, plain = ("-", name[1:]) if name.startswith("-") else ("", name)
    return f"{sign}{plain}" if plain.startswith("ga:") else f"{sign}ga:{plain}"


def _rows_in(answer: Answer) -> list[list[str]]:
    rows = answer.get("rows", [])
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise BadAnswer(SOURCE, "the answer's rows are not lists")
    return [[str(value) for value in row] for row in rows]


def _row(question: Question, values: list[str]) -> Row:
    count = len(question.dimensions)
    try:
        return question.row(values[:count], values[count:])
    except ValueError as error:
        raise BadAnswer(SOURCE, "a row of the answer has not as many values as were asked for") from error


def _metric_column(answer: Answer) -> int:
    headers = answer.get("columnHeaders")
    if not isinstance(headers, list):
        return 0
    for column, header in enumerate(headers):
        if isinstance(header, Mapping) and header.get("columnType") == "METRIC":
            return column
    raise SourceError(SOURCE, "the realtime answer has no column of a metric")
