"""From sales to totals: for each month, lot, sector and size of supplier, in that month and until then."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import product

from importer.sources.gcloud.sales import Sale

LOT_NAMES = {
    "iaas": "Cloud Infrastructure as a Service (IaaS)",
    "paas": "Cloud Platform as a Service (PaaS)",
    "saas": "Cloud Software as a Service (SaaS)",
    "css": "Cloud Support Services (CSS)",
}
SECTOR_NAMES = {
    "central-gov": "Central government",
    "local-gov": "Local government",
    "not-for-profit": "Not for profit",
    "wider-public-sector": "Other wider public sector",
    "unknown-sector": "Unknown",
}
SIZE_NAMES = {"sme": "Small and medium enterprises", "large": "Large enterprises"}

_PENNY = Decimal("0.01")


@dataclass(slots=True)
class _Total:
    spend: Decimal = Decimal(0)
    count: int = 0

    def add(self, other: "_Total") -> None:
        self.spend += other.spend
        self.count += other.count


def total_records(sales: Iterable[Sale]) -> list[dict[str, object]]:
    """Return a record for each month present, lot, sector and size, in that order, also where nothing was sold."""
    totals: dict[tuple[date, str, str, str], _Total] = defaultdict(_Total)
    for sale in sales:
        totals[sale.month, sale.lot, sale.sector, sale.size].add(_Total(sale.spend, 1))
    until_now: dict[tuple[str, str, str], _Total] = defaultdict(_Total)
    records = []
    for month in sorted({key[0] for key in totals}):
        for group in product(LOT_NAMES, SECTOR_NAMES, SIZE_NAMES):
            total = totals.get((month, *group), _Total())
            until_now[group].add(total)
            records.append(_record(month, group, total, until_now[group]))
    return records


def _record(month: date, group: tuple[str, str, str], total: _Total, until_now: _Total) -> dict[str, object]:
    lot, sector, size = group
    return {
        "_id": f"{month.year}_{month.month:02}_lot{lot}_{sector}_{size}",
        "_timestamp": f"{month:%Y-%m-%d}T00:00:00Z",
        "lot": LOT_NAMES[lot],
        "sector": SECTOR_NAMES[sector],
        "sme_large": SIZE_NAMES[size],
        "monthly_spend": _pounds(total.spend),
        "count": total.count,
        "cumulative_spend": _pounds(until_now.spend),
        "cumulative_count": until_now.count,
    }


def _pounds(spend: Decimal) -> float:
    return float(spend.quantize(_PENNY, ROUND_HALF_UP)) or 0.0
