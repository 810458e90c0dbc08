"""A simulator of the Reporting API of Piwik, today Matomo: index.php, to which parameters and token are POSTed.

What is known of the vendor is said in `importer.sources.piwik.api`. It answers as `answers` says, by method.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Unpack

from importer.simulators.base import HttpSimulator, ServerOptions
from importer.simulators.http_wire import Answer, Request
from importer.simulators.process import build_parser, serve_until_signalled

__all__ = ["TOKEN", "PiwikSimulator", "main"]

TOKEN = "33dc3f2536d3025974cccb4b4d2d98f4"  # noqa: S105 - made up
SITES = ("7", "9")
PERIODS = ("day", "week", "month", "year", "range")
DEFAULT_ANSWERS: dict[str, object] = {
    "Goals.get": {"From 2015-05-25 to 2015-05-31": {"nb_visits_converted": 791, "nb_conversions": 791, "revenue": 0}},
    "Live.getCounters": [{"visits": "53", "actions": "90", "visitors": "53", "visitsConverted": "0"}],
}
_DATE = re.compile(r"previous\d+|last\d+|today|yesterday|\d{4}-\d{2}-\d{2}(,\d{4}-\d{2}-\d{2})?")


class PiwikSimulator(HttpSimulator):
    """A Piwik with some sites. `answers` are those to the methods that it knows, and may be changed at any time."""

    def __init__(self, **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        self.answers = dict(DEFAULT_ANSWERS)
        self.route("POST", "/index.php", self._index)

    @property
    def index_url(self) -> str:
        """What credentials have as `url`. Known once started."""
        return f"{self.url}/index.php"

    def _index(self, request: Request) -> Answer:
        problem = self._problem(request)
        if problem:
            return Answer.json({"result": "error", "message": problem})
        answer = self.answers[request.form["method"]]
        return answer if isinstance(answer, Answer) else Answer.json(answer)

    def _problem(self, request: Request) -> str:
        """Return what is wrong with a request, empty for nothing; Piwik tells it with HTTP 200."""
        form = request.form
        site, method = form.get("idSite", ""), form.get("method", "")
        if "token_auth" in request.query:
            return "This token can only be used in a secure request, not in an address."
        if form.get("module") != "API" or form.get("format") != "json":
            return "module must be API, and format json."
        if form.get("token_auth") != TOKEN or site not in SITES:
            return f"You can't access this resource as it requires 'view' access for the website id = {site}."
        if method not in self.answers:
            return f"The method '{method}' does not exist or is not available in the module."
        return self._problem_of_figures(form, method)

    @staticmethod
    def _problem_of_figures(form: Mapping[str, str], method: str) -> str:
        if method == "Live.getCounters":
            return "" if form.get("lastMinutes", "").isdecimal() else "Please specify a value for 'lastMinutes'."
        if form.get("period") not in PERIODS:
            return f"The period '{form.get('period', '')}' is not supported."
        return "" if _DATE.fullmatch(form.get("date", "")) else "Date format must be: YYYY-MM-DD."


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line on standard output is the address of index.php."""
    options = build_parser("importer.simulators.piwik", main.__doc__).parse_args(arguments)
    simulator = PiwikSimulator(host=options.host, port=options.port, keep_requests=0)
    serve_until_signalled(simulator, lambda: simulator.index_url)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
