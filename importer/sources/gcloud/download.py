"""Fetch the page and the CSV file of G-Cloud's sales, across the redirects that public sites like."""

from contextlib import closing
from html.parser import HTMLParser
from urllib.parse import urljoin

from importer.collector.vendor import RETRIES, vendor_client
from importer.collector.vendor_failure import failure_of, unreachable
from importer.errors import BadAnswer, TransportError
from importer.http_client import RetryPolicy
from importer.http_request import split_url
from importer.http_response import Response

SOURCE = "gcloud"
INDEX_URL = "https://digitalmarketplace.blog.gov.uk/sales-accreditation-information/"
MAX_REDIRECTS = 5

_VOID = frozenset(("br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))
_CLOSED_BY_ITSELF = frozenset(("p", "li", "td", "th", "tr", "dt", "dd", "option"))


def download(url: str, *, retries: RetryPolicy = RETRIES) -> bytes:
    """Return what an address holds, redirects followed; raises SourceError."""
    for _ in range(MAX_REDIRECTS + 1):
        response = _get(url, retries)
        location = response.headers.get("Location")
        if not (300 <= response.status < 400 and location):
            break
        url = urljoin(url, location)
    if response.status >= 300:
        raise failure_of(SOURCE, url.partition("?")[0], response)
    return response.body


def _get(url: str, retries: RetryPolicy) -> Response:
    address = url.partition("?")[0]
    try:
        base, path = split_url(url.partition("#")[0])
    except ValueError as error:
        raise BadAnswer(SOURCE, f"{address}: {error}") from error
    with closing(vendor_client(base, retries=retries)) as client:
        try:
            return client.request("GET", path)
        except TransportError as error:
            raise unreachable(SOURCE, address, error) from error


def current_csv_url(page: bytes, page_url: str) -> str:
    """Return where the page says that the current CSV file is, made absolute; raises ValueError if it does not.

    That is the only link to a file named *.csv that lies directly in an element whose own text has the word Current.
    """
    links = _Links()
    links.feed(page.decode("utf-8", "replace"))
    links.close()
    found = links.current()
    if len(found) != 1:
        raise ValueError(f"the link to the current CSV was not found: {len(found)} links may be it, not one")
    return urljoin(page_url, found[0].replace(" ", "%20"))


class _Element:
    """What is known of an element while the page is read."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.text = ""
        """Its own, not that of the elements in it."""
        self.csv_links: list[str] = []
        """Those that are its children."""


class _Links(HTMLParser):
    """Gathers elements with their own text and the links right below them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        root = _Element("")
        self._open = [root]
        self._all = [root]

    def current(self) -> list[str]:
        """Return the links to CSV files in elements whose own text says Current."""
        return [link for element in self._all if "Current" in element.text for link in element.csv_links]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element; what HTML closes without saying so is closed before."""
        if tag in _CLOSED_BY_ITSELF and self._open[-1].tag == tag:
            self._open.pop()
        href = dict(attrs).get("href") or ""
        if tag == "a" and ".csv" in href:
            self._open[-1].csv_links.append(href.strip())
        if tag not in _VOID:
            element = _Element(tag)
            self._open.append(element)
            self._all.append(element)

    def handle_endtag(self, tag: str) -> None:
        """Close the element and those left open in it; an end without a beginning says nothing."""
        for depth in range(len(self._open) - 1, 0, -1):
            if self._open[depth].tag == tag:
                del self._open[depth:]
                return

    def handle_data(self, data: str) -> None:
        """Add to the text of the element that is open."""
        self._open[-1].text += data
