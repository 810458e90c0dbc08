"""The made-up apps of the simulated Apteligent account, and the groups that their users fall into."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from importer.simulators.made_up import noise_of


@dataclass(frozen=True, slots=True)
class App:
    """One made-up app of the account."""

    app_id: str
    name: str
    offset_hours: float = 0.0
    """Its zone, as hours east of UTC; its days begin at midnight there."""
    country: str = ""
    """A section of carrier.map; empty if unknown."""
    versions: tuple[str, ...] = ("2.0", "1.9")
    """Newest and most used first."""
    carriers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    """The web services that it calls."""
    daily_users: int = 20_000
    """About how many used it a day at the beginning of 2016; it grows by a fifth of that every year."""
    store_link: str | None = None
    """None for an app that is in no store and so has no rating."""
    app_type: str = "ios"


_DEMO = (
    App(
        "52d0aa0000000000000000a1",
        "Bike Shop",
        -8,
        "US",
        ("3.10.1 (88)", "3.2", "dot_2"),
        ("Verizon Wireless", "T-Mobile", "TMobile US", "AT&T", "ATT Mobility", "Sprint", "Wifi"),
        ("api.bikeshop.example", "cdn.bikeshop.example", "hotspot.hotel.example"),
        48_000,
        "https://store.example/bikeshop",
    ),
    App(
        "52d0aa0000000000000000b2",
        "Tweedehands (NL)",
        1,
        "NL",
        ("1.0", "0.9-rc/1"),
        ("KPN NL", "KPN", "vodafone NL", "T-Mobile NL", "Sunrise"),
        ("api.tweedehands.example", "fotos.tweedehands.example"),
        9_000,
        None,
        "android",
    ),
    App(
        "52d0aa0000000000000000c3",
        "Bazaar India",
        5.5,
        "",
        ("6.6.1 (3705)", "6.6.0", "???"),
        ("Airtel", "Jio 4G", "Vodafone IN", "BSNL Mobile"),
        ("api.bazaar.example", "pay.bazaar.example"),
        120_000,
        "https://store.example/bazaar",
        "android",
    ),
)


def demo_apps(count: int = 3) -> tuple[App, ...]:
    """Return that many apps, always the same: Bike Shop, Tweedehands (NL), Bazaar India, then numbered ones."""
    return _DEMO[:count] + tuple(
        replace(_DEMO[number % 3], app_id=f"52d0bb{number:018x}", name=f"Demo app {number}")
        for number in range(4, count + 1)
    )


def group_members(app: App, group_by: str) -> tuple[str, ...]:
    """Return the names that a group has for this app, the most frequent first."""
    if group_by in {"appVersion", "carrier", "service"}:
        return {"appVersion": app.versions, "carrier": app.carriers, "service": app.hosts}[group_by]
    if group_by == "device":
        return ("iPhone8,1", "iPhone6,2", "iPad4,1") if app.app_type == "ios" else ("SM-G900F", "Nexus 5")
    return ("9.3", "8.4.1", "6.1.3") if app.app_type == "ios" else ("6.0.1", "5.1", "4.4.2")


def group_label(group_by: str, name: str) -> tuple[str, str]:
    """Return the name and the label that the vendor gives a member of a group."""
    # Only for operating systems have the vendor's name and label been seen to differ.
    return (f"ios{name}", f"iOS {name}") if group_by == "os" else (name, name)


@lru_cache(maxsize=4096)
def group_shares(names: tuple[str, ...]) -> Mapping[str, float]:
    """Return each name's share; every one has about half of that before it."""
    raw = {name: (0.4 + 0.2 * noise_of(name)) ** rank for rank, name in enumerate(names)}
    return {name: weight / sum(raw.values()) for name, weight in raw.items()}
