"""G-Cloud's page and file are read as they were published."""

import logging
from datetime import date
from decimal import Decimal

import pytest

from importer.sources.gcloud.download import current_csv_url
from importer.sources.gcloud.sales import parse_month, parse_price, parse_sales, parse_sector
from tests.collector.vendor_world import GOLDEN

PAGE = "http://gcloud.example/about/"


def test_the_published_page_has_one_current_link() -> None:
    page = (GOLDEN / "gcloud-index-page.html").read_bytes()
    assert current_csv_url(page, PAGE).endswith("/files/2013/11/G-Cloud-Total-Spend-22-11-13.csv")


@pytest.mark.parametrize(
    ("page", "url"),
    [
        ("<p>Current data: <a href='/files/a b.csv'>a</a></p>", "http://gcloud.example/files/a%20b.csv"),
        ("<ul><li>Current <a href=new.csv>a</a><li>Old <a href=old.csv>b</a></ul>", f"{PAGE}new.csv"),
        ("<div><p>Current<br>now <a href='http://x.example/a.csv?v=1'>a</a></div>", "http://x.example/a.csv?v=1"),
        ("</p><p>Current <a href='a.csv'>a</a>", f"{PAGE}a.csv"),
    ],
)
def test_links_are_made_absolute_in_whatever_html(page: str, url: str) -> None:
    assert current_csv_url(page.encode(), PAGE) == url


@pytest.mark.parametrize(
    "page",
    [
        "<p>Current <b><a href=a.csv>a</a></b></p>",
        "<p><b>Current</b> <a href=a.csv>a</a></p>",
        "<p>Current <a href=a.pdf>a</a></p>",
    ],
)
def test_only_a_link_directly_below_the_word_counts(page: str) -> None:
    with pytest.raises(ValueError, match="the link to the current CSV was not found: 0"):
        current_csv_url(page.encode(), PAGE)


@pytest.mark.parametrize(
    ("text", "pounds"), [("£16,000.00", "16000.00"), ("-£16,000.00", "-16000.00"), ("540", "540"), ("0", "0")]
)
def test_prices_are_read(text: str, pounds: str) -> None:
    assert parse_price(text) == Decimal(pounds)


@pytest.mark.parametrize("text", ["", "NaN", "Infinity", "£", "1.2.3"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no sum of money"):
        parse_price(text)


@pytest.mark.parametrize("text", ["1/3/2013", "01/00/2013", "01/01/0000", "01/03/2013 "])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no date such as"):
        parse_month(text)


def test_a_month_is_its_first_day() -> None:
    assert parse_month("31/10/2012") == date(2012, 10, 1)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig"])
def test_the_file_may_be_in_either_encoding(encoding: str) -> None:
    head = "LotDescription,Return Month,EvidencedSpend,Sector,SME or Large,SupplierName"
    row = 'Specialist Cloud Services,01/03/2013,"£1,000.50",Education,Large,"Café\nLtd"'
    (sale,) = parse_sales(f"{head}\r\n{row}\r\n,,,,,\r\n".encode(encoding))
    assert (sale.spend, sale.sector, sale.size, sale.lot) == (Decimal("1000.50"), "wider-public-sector", "large", "css")


def test_a_sector_that_is_not_known_is_one_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert parse_sector("Charity") == "unknown-sector"
        assert parse_sector("Private Sector") == "unknown-sector"
    assert [record.getMessage() for record in caplog.records] == ["sector that is not known: 'Charity'"]
