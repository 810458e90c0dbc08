"""What the tests of Google's entrypoints and clients share: files to log in with, and a simulator that knows them."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from importer.collector.ga_entrypoint import create_client
from importer.simulators.google import GoogleSimulator
from importer.sources.google.client import GoogleClient
from tests.collector.vendor_world import AT_ONCE, golden

ACCESS_TOKEN = "ya29.example"
WEEK = (date(2015, 6, 1), date(2015, 6, 7))
DEVICES = [
    {"deviceCategory": "desktop", "sessions": "300", "avgSessionDuration": "101.25"},
    {"deviceCategory": "mobile", "sessions": "100", "avgSessionDuration": "71.5"},
    {"deviceCategory": "tablet", "sessions": "11", "avgSessionDuration": "80"},
]


class Hurry(threading.Event):
    """An event whose waits pass at once and are written down; with `set_at_first_wait` the first one sets it."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self.set_at_first_wait = False

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0.0)
        if self.set_at_first_wait:
            self.set()
        return self.is_set()


class GoogleWorld:
    """A simulator and the files that log in there, whose stored token still lives unless it is told otherwise."""

    def __init__(self, vendor: GoogleSimulator, folder: Path) -> None:
        self.vendor = vendor
        self.folder = folder
        self.secrets = folder / "client_secrets.json"
        self.storage = folder / "storage.db"
        self.secrets.write_text(json.dumps(golden("google-client-secret")))
        self.store()

    def store(self, **fields: object) -> None:
        """Write the storage file anew, with these fields in place of the usual ones."""
        usual = {"token_expiry": "2099-01-01T00:00:00Z", "token_uri": self.vendor.token_uri}
        self.storage.write_text(json.dumps({**golden("google-storage.db"), **usual, **fields}))

    @property
    def stored(self) -> dict[str, Any]:
        return dict(json.loads(self.storage.read_text()))

    def v3(self, **more: object) -> dict[str, object]:
        """Return credentials for what still speaks v3."""
        return self.credentials(url=self.vendor.v3_url, **more)

    def ga4(self, **more: object) -> dict[str, object]:
        """Return credentials for GA4."""
        return self.credentials(url=self.vendor.url, **more)

    def credentials(self, **more: object) -> dict[str, object]:
        return {"CLIENT_SECRETS": str(self.secrets), "STORAGE_PATH": str(self.storage), **more}

    def client(self, credentials: Mapping[str, object]) -> GoogleClient:
        return create_client(credentials, retries=AT_ONCE)


@contextmanager
def google_world(folder: Path) -> Iterator[GoogleWorld]:
    """Give a running simulator with the figures of DEVICES, and what logs in there."""
    with GoogleSimulator(access_token=ACCESS_TOKEN, known=("123", "12345678", "74473500")) as vendor:
        vendor.reports[""] = DEVICES
        yield GoogleWorld(vendor, folder)
