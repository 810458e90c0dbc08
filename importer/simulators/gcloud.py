"""A simulator of G-Cloud's site: the page of sales, and the CSV file to which it leads."""

from collections.abc import Sequence
from typing import Unpack

from importer.simulators.base import HttpSimulator, ServerOptions
from importer.simulators.http_wire import Answer, Request
from importer.simulators.process import build_parser, serve_until_signalled

__all__ = ["CSV_PATH", "PAGE_PATH", "GcloudSimulator", "main"]

PAGE_PATH = "/sales-accreditation-information/"
CSV_PATH = "/files/G-Cloud-Total-Spend.csv"
PAGE = f"""<!doctype html><html><body><p>Current CSV data: <a href="{CSV_PATH}">G-Cloud-Total-Spend</a></p>
<ul><li>Previous CSV data: <a href="/files/old.csv">old</a></li></ul></body></html>"""
SALES = """LotDescription,Return Month,EvidencedSpend,Sector,SME or Large,,SupplierName,CustomerName
Software as a Service (SaaS),01/02/2013,429.60,Central Government,SME,,ACME LTD,Home Office
Software as a Service (SaaS),01/03/2013,£540.00,Central Government,SME,,ACME LTD,Home Office
"""


class GcloudSimulator(HttpSimulator):
    """The site. `page` and `sales` are what it serves, and may be changed at any time."""

    def __init__(self, **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        self.page = PAGE.encode()
        self.sales = SALES.encode("cp1252")
        self.route("GET", PAGE_PATH, self._page)
        self.route("GET", CSV_PATH, self._csv)

    @property
    def page_url(self) -> str:
        """What a query has as `url`. Known once started."""
        return f"{self.url}{PAGE_PATH}"

    @property
    def csv_url(self) -> str:
        """What a query has as `csv_url`. Known once started."""
        return f"{self.url}{CSV_PATH}"

    def _page(self, _request: Request) -> Answer:
        return Answer(200, {"Content-Type": "text/html; charset=UTF-8"}, self.page)

    def _csv(self, _request: Request) -> Answer:
        return Answer(200, {"Content-Type": "text/csv"}, self.sales)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line on standard output is the address of the page."""
    options = build_parser("importer.simulators.gcloud", main.__doc__).parse_args(arguments)
    simulator = GcloudSimulator(host=options.host, port=options.port, keep_requests=0)
    serve_until_signalled(simulator, lambda: simulator.page_url)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
