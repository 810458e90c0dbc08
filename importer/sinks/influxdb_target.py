"""Where in InfluxDB points are written to, and as whom: checked, so that a request can be made of it."""

from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

from importer.credentials import Secret

PRECISION = "ms"
"""Of our timestamps; the generations differ in their names for others.

https://docs.influxdata.com/influxdb3/core/api/write-data/ (2026-11-25)
"""


class UnusableKey(ValueError):
    """What a key of the destination holds cannot be used; says why, without showing it."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key} {reason}")
        self.key = key
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Database:
    """A database of InfluxDB 1.x, by the interface that the later ones have too. Raises UnusableKey."""

    name: str
    retention_policy: str | None = None
    """The database's own default if None."""

    write_path: ClassVar[str] = "/write"

    def __post_init__(self) -> None:
        _require_printable("database", self.name)
        _require_printable("retention_policy", self.retention_policy)

    @property
    def parameters(self) -> dict[str, str]:
        """The query of a request for writing."""
        policy = {"rp": self.retention_policy} if self.retention_policy else {}
        return {"db": self.name, **policy, "precision": PRECISION}

    @property
    def lane_path(self) -> str:
        """The end of the lane's name."""
        return _lane_path(self.name, self.retention_policy)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of InfluxDB 2.x, or a database of 3.x by the same interface. Raises UnusableKey."""

    name: str
    org: str | None = None
    """2.x needs it, by name or ID; 3.x does not look at it."""

    write_path: ClassVar[str] = "/api/v2/write"

    def __post_init__(self) -> None:
        _require_printable("bucket", self.name)
        _require_printable("org", self.org)

    @property
    def parameters(self) -> dict[str, str]:
        """The query of a request for writing."""
        org = {"org": self.org} if self.org else {}
        return {"bucket": self.name, **org, "precision": PRECISION}

    @property
    def lane_path(self) -> str:
        """The end of the lane's name."""
        return _lane_path(self.org, self.name)


@dataclass(frozen=True, slots=True)
class Login:
    """A user of InfluxDB 1.x. Raises UnusableKey for what Basic authentication cannot carry."""

    username: str
    password: Secret

    def __post_init__(self) -> None:
        _require_printable("username", self.username)
        if ":" in self.username:
            raise UnusableKey("username", "holds a colon")
        if not self.password.reveal().isprintable():
            raise UnusableKey("password", "holds control characters")


@dataclass(frozen=True, slots=True)
class Token:
    """An API token of 2.x or 3.x. Raises UnusableKey for what a header cannot carry."""

    secret: Secret

    def __post_init__(self) -> None:
        text = self.secret.reveal()
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise UnusableKey("token", "is empty, or holds blanks or signs that are not ASCII")


def _require_printable(key: str, text: str | None) -> None:
    if text is not None and not (text and text.isprintable()):
        raise UnusableKey(key, "is empty, or holds control characters")


def _lane_path(*names: str | None) -> str:
    return "/".join(quote(name, safe="") for name in names if name)
