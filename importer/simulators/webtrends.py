"""A simulator of Webtrends' Data Extraction API: the key metrics and the reports of one profile, v2 or v3.

It answers as `key_metrics` and `reports` say; user, password, periods and format are checked.
"""

import re
from collections.abc import Sequence
from typing import Unpack

from importer.simulators.base import HttpSimulator, ServerOptions
from importer.simulators.basic_auth import basic_credentials
from importer.simulators.http_wire import Answer, Handler, Request
from importer.simulators.process import build_parser, serve_until_signalled

__all__ = ["PASSWORD", "REPORT", "USER", "WebtrendsSimulator", "main"]

USER = "acme\\reports"
PASSWORD = "webtrends-example-password"  # noqa: S105 - made up
REPORT = "zNVW6aIvn47"
PROFILE = "JkVVAoASUb7"

_PERIOD = re.compile(r"current_(hour|day)-\d+|\d{4}m(0[1-9]|1[0-2])d(0[1-9]|[12]\d|3[01])")
_FIGURES: dict[str, object] = {"measures": {"Visits": 2.0}, "SubRows": None}
_NO_REPORT = {"Message": "The report does not exist."}


class WebtrendsSimulator(HttpSimulator):
    """One profile. `key_metrics` and `reports` (by report) are the answers, and may be changed at any time."""

    def __init__(self, **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        hour, day = "10/30/2014 12", "10/14/2014-10/14/2014"
        self.key_metrics: object = {"data": {f"{hour}-{hour}": {"SubRows": {hour: _FIGURES}}}}
        self.reports: dict[str, object] = {REPORT: {"data": {day: {"SubRows": {"Mozilla": _FIGURES}}}}}
        self.route("GET", f"/v2/profiles/{PROFILE}/Keymetrics/", _guarded(self._key_metrics))
        self.route("GET", f"/v2/profiles/{PROFILE}/reports/{{report}}", _guarded(self._report))

    @property
    def keymetrics_url(self) -> str:
        """What credentials have under this name. Known once started."""
        return f"{self.url}/v2/profiles/{PROFILE}/Keymetrics/"

    @property
    def reports_url(self) -> str:
        """What credentials have under this name. Known once started."""
        return f"{self.url}/v2/profiles/{PROFILE}/reports/"

    def _key_metrics(self, request: Request) -> Answer:
        if request.query.get("userealtime") != "True":
            return Answer.json({"Message": "userealtime is missing."}, status=400)
        return _proper(self.key_metrics)

    def _report(self, request: Request) -> Answer:
        report = request.path_values["report"]
        return _proper(self.reports[report]) if report in self.reports else Answer.json(_NO_REPORT, status=404)


def _guarded(handler: Handler) -> Handler:
    """Return the handler behind what all calls have in common."""

    def guarded(request: Request) -> Answer:
        if basic_credentials(request) != (USER, PASSWORD):
            return Answer.json({"Message": "Authorization has been denied for this request."}, status=401)
        periods = (request.query.get(name, "") for name in ("start_period", "end_period"))
        if not all(map(_PERIOD.fullmatch, periods)) or request.query.get("format") != "json":
            return Answer.json({"Message": "The request is invalid."}, status=400)
        return handler(request)

    return guarded


def _proper(value: object) -> Answer:
    return value if isinstance(value, Answer) else Answer.json(value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line on standard output is the URL."""
    options = build_parser("importer.simulators.webtrends", main.__doc__).parse_args(arguments)
    simulator = WebtrendsSimulator(host=options.host, port=options.port, keep_requests=0)
    serve_until_signalled(simulator, lambda: simulator.url)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
