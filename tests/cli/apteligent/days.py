"""What the tests of the Apteligent commands share: days, requests for figures, and older cursors."""

from datetime import UTC, date, datetime, timedelta

from importer.outbox import Outbox
from tests.apteligent import Site, vendors_requests
from tests.commands import Commands

DAY = timedelta(days=1)


def yesterday(offset_hours: float) -> date:
    return (datetime.now(UTC) + timedelta(hours=offset_hours)).date() - DAY


def midnight_utc(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def figures(site: Site) -> int:
    """Return how many requests for figures the vendor got."""
    return sum(1 for path in vendors_requests(site) if path not in ("/v1.0/token", "/v1.0/apps"))


def set_back(commands: Commands, days: int) -> None:
    """Let the cursors of dailyjobs stand that many days earlier."""
    with Outbox(commands.state_dir / "dailyjobs.outbox") as outbox, outbox.transaction() as transaction:
        for name, position in outbox.cursors().items():
            transaction.move_cursor(name, position - days)


def site_requests(site: Site, path: str) -> list[str]:
    return [request for request in vendors_requests(site) if request == path]
