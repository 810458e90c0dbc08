"""A simulator of Backdrop's data sets: records written with a token, replaced by their `_id`, and read.

>>> import requests
>>> with BackdropSimulator() as simulator:
...     data_set = simulator.add_data_set("tax-disc", "monitoring", token="a-token")
...     answer = requests.post(
...         simulator.data_set_url("tax-disc", "monitoring"),
...         json=[{"_id": "one", "uptime": 3065}],
...         headers={"Authorization": "Bearer a-token"},
...         timeout=10,
...     )
>>> answer.json(), data_set.records
({'status': 'ok'}, [{'_id': 'one', 'uptime': 3065}])

As a process, for the demo: the URL below which the data sets are is the first line of its output.

    python -m importer.simulators.backdrop --port 0 --data-set tax-disc/monitoring=a-token
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Unpack

from importer.simulators.backdrop_records import BadRequest, parse_body, parse_records
from importer.simulators.base import HttpSimulator, ServerOptions
from importer.simulators.http_wire import Answer, Handler, Request
from importer.simulators.process import build_parser, serve_until_signalled

__all__ = ["BackdropSimulator", "DataSet", "main"]

_PATH = "/data/{group}/{type}"


@dataclass(slots=True)
class DataSet:
    """A data set and its records, in the order in which they first came."""

    name: str
    token: str
    records: list[dict[str, object]] = field(default_factory=list)
    emptied: int = 0
    """How often it was emptied."""

    def add(self, records: Sequence[dict[str, object]]) -> None:
        """Add records, each in place of the one with its `_id`."""
        places = {record["_id"]: place for place, record in enumerate(self.records) if "_id" in record}
        for record in records:
            place = places.get(record.get("_id"))
            if place is None:
                places[record.get("_id", object())] = len(self.records)
                self.records.append(record)
            else:
                self.records[place] = record


class BackdropSimulator(HttpSimulator):
    """A Backdrop below `data_url`; `data_sets` holds them by group and type."""

    def __init__(self, **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        self.data_sets: dict[tuple[str, str], DataSet] = {}
        self.route("POST", _PATH, self._writing(self._add))
        self.route("PUT", _PATH, self._writing(self._empty))
        self.route("GET", _PATH, self._read)

    @property
    def data_url(self) -> str:
        """What is `backdrop_url` in a configuration. Known once started."""
        return f"{self.url}/data"

    def data_set_url(self, group: str, data_type: str) -> str:
        """Return the address of a data set. Known once started."""
        return f"{self.data_url}/{group}/{data_type}"

    def add_data_set(self, group: str, data_type: str, *, token: str) -> DataSet:
        """Return a new data set that is written to with that token; it takes the place of an older one."""
        data_set = DataSet(f"{group}_{data_type}".replace("-", "_"), token)
        self.data_sets[group, data_type] = data_set
        return data_set

    def _writing(self, handler: Handler) -> Handler:
        """Return the handler behind what all writing has in common."""

        def writing(request: Request) -> Answer:
            data_set = self._find(request)
            if data_set is None:
                return _not_found()
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme != "Bearer" or token != data_set.token:
                return _unauthorized(token, data_set)
            try:
                return handler(request)
            except BadRequest as error:
                return Answer.json(error.answer, status=error.status)

        return writing

    def _find(self, request: Request) -> DataSet | None:
        return self.data_sets.get((request.path_values["group"], request.path_values["type"]))

    def _add(self, request: Request) -> Answer:
        records = parse_records(request)
        with self._changed:
            self._of(request).add(records)
        return Answer.json({"status": "ok"})

    def _empty(self, request: Request) -> Answer:
        if parse_body(request) != []:
            return Answer.json(
                {"status": "error", "message": "Not implemented: you can only pass an empty JSON list"}, status=400
            )
        data_set = self._of(request)
        with self._changed:
            data_set.records = []
            data_set.emptied += 1
        return Answer.json({"status": "ok", "message": f"{data_set.name} now contains 0 records"})

    def _of(self, request: Request) -> DataSet:
        return self.data_sets[request.path_values["group"], request.path_values["type"]]

    def _read(self, request: Request) -> Answer:
        data_set = self._find(request)
        return _not_found() if data_set is None else Answer.json({"data": data_set.records})


def _not_found() -> Answer:
    return Answer.json({"status": "error", "message": "Could not find data_set_config"}, status=404)


def _unauthorized(token: str, data_set: DataSet) -> Answer:
    message = f"Unauthorized: Invalid bearer token '{token}' for '{data_set.name}'"
    return Answer.json({"status": "error", "message": message}, status=401, headers={"WWW-Authenticate": "bearer"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line on standard output is the URL."""
    parser = build_parser("importer.simulators.backdrop", main.__doc__)
    parser.add_argument("--data-set", action="append", default=[], metavar="GROUP/TYPE=TOKEN")
    options = parser.parse_args(arguments)
    simulator = BackdropSimulator(host=options.host, port=options.port, keep_requests=0)
    for text in options.data_set:
        name, _, token = text.partition("=")
        group, _, data_type = name.partition("/")
        simulator.add_data_set(group, data_type, token=token)
    serve_until_signalled(simulator, lambda: simulator.data_url)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
