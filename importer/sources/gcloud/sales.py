"""From G-Cloud's CSV file to sales: one for each row, in the words of the dashboards."""

import csv
import io
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation

logger = logging.getLogger(__name__)

COLUMNS = ("LotDescription", "Return Month", "EvidencedSpend", "Sector", "SME or Large")
"""Those that are used; SupplierName and CustomerName are not."""
LOTS = {
    "Infrastructure as a Service (IaaS)": "iaas",
    "Platform as a Service (PaaS)": "paas",
    "Software as a Service (SaaS)": "saas",
    "Specialist Cloud Services": "css",
}
SIZES = {"SME": "sme", "Large": "large"}
UNKNOWN_SECTOR = "unknown-sector"
_WIDER = "wider-public-sector"
SECTORS = {
    "Central Government": "central-gov",
    "Local Government": "local-gov",
    "Not for Profit": "not-for-profit",
    "Health": _WIDER,
    "Fire and Rescue": _WIDER,
    "Devolved Administrations": _WIDER,
    "Education": _WIDER,
    "Police": _WIDER,
    "Defence": _WIDER,
    "Wider Public Sector": _WIDER,
    "Utility (Historic)": _WIDER,
    "Private Sector": UNKNOWN_SECTOR,
}

_MONTH = re.compile(r"\d{2}/(\d{2})/(\d{4})")


@dataclass(frozen=True, slots=True)
class Sale:
    """One row: what was spent in a month."""

    month: date
    """Its first day."""
    lot: str
    sector: str
    size: str
    spend: Decimal
    """Pounds, without VAT."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a file calls its columns and lots, where that is not what it was in 2014."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Column of COLUMNS -> the file's name for it."""
    lots: Mapping[str, str] = field(default_factory=dict)
    """The file's name of a lot -> `iaas`, `paas`, `saas` or `css`."""


def parse_sales(content: bytes, names: Names = Names()) -> list[Sale]:
    """Return the sales of a CSV file in UTF-8 or cp1252; raises ValueError, with the line, for what is not known."""
    reader = csv.DictReader(io.StringIO(_text(content), newline=""))
    columns = {column: names.columns.get(column, column) for column in COLUMNS}
    missing = [name for name in columns.values() if name not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(f'the CSV file has no column "{missing[0]}"; it has {_listed(reader.fieldnames)}')
    lots = {**LOTS, **names.lots}
    sales = []
    for row in reader:
        values = {column: (row[name] or "").strip() for column, name in columns.items()}
        if any(values.values()):
            sales.append(_sale(values, lots, reader.line_num))
    return sales


def parse_price(text: str) -> Decimal:
    """Return pounds written as in `£16,000.00`, `-£16,000.00` or `540`; raises ValueError.

    >>> parse_price("-£16,000.00")
    Decimal('-16000.00')
    """
    try:
        price = Decimal(re.sub("[£,]", "", text).strip())
    except InvalidOperation as error:
        raise ValueError(f'"{text:.40}" is no sum of money such as £16,000.00') from error
    if not price.is_finite():
        raise ValueError(f'"{text:.40}" is no sum of money such as £16,000.00')
    return price


def parse_month(text: str) -> date:
    """Return the first day of the month written as in `01/10/2012`; raises ValueError."""
    found = _MONTH.fullmatch(text)
    if found is None or not 1 <= int(found[1]) <= 12 or int(found[2]) == 0:
        raise ValueError(f'"{text:.40}" is no date such as 01/10/2012')
    return date(int(found[2]), int(found[1]), 1)


def parse_sector(text: str) -> str:
    """Return the key of a sector; one that is not known is `unknown-sector`, with a warning."""
    if text not in SECTORS:
        logger.warning("sector that is not known: %r", text)
    return SECTORS.get(text, UNKNOWN_SECTOR)


def _sale(values: Mapping[str, str], lots: Mapping[str, str], line: int) -> Sale:
    try:
        return Sale(
            month=parse_month(values["Return Month"]),
            lot=_known(lots, values["LotDescription"], "lot"),
            sector=parse_sector(values["Sector"]),
            size=_known(SIZES, values["SME or Large"], "SME or Large"),
            spend=parse_price(values["EvidencedSpend"]),
        )
    except ValueError as error:
        raise ValueError(f"line {line} of the CSV file: {error}") from error


def _known(keys: Mapping[str, str], text: str, what: str) -> str:
    if text not in keys:
        raise ValueError(f'{what} "{text:.60}" is not known; known are {", ".join(keys)}')
    return keys[text]


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _listed(names: object) -> str:
    return ", ".join(name for name in names if name) if isinstance(names, list) else "no first line"
