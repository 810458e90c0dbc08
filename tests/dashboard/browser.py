"""The dashboard in a real browser, and what may be said of it once a test is over."""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.dashboard.served import Dashboard
from tests.servers.chromium import Chromium

DESKTOP = (1440, 900)
PHONE = (360, 780)
NARROWEST = (320, 640)


@dataclass
class Page:
    """One page that shows a dashboard; all times are those of UTC."""

    browser: Chromium
    dashboard: Dashboard
    size: tuple[int, int] = DESKTOP
    expected_statuses: set[int] = field(default_factory=set)
    """Of answers that the browser itself complains about in its console."""

    def __post_init__(self) -> None:
        self.browser.call("Emulation.setTimezoneOverride", timezoneId="UTC")
        self.browser.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.resize(self.size)

    def resize(self, size: tuple[int, int]) -> None:
        width, height = size
        is_phone = width < 800
        self.browser.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_phone
        )

    def prefer(self, scheme: str) -> None:
        """Let the reader prefer `light` or `dark`."""
        self.browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, rest: str = "") -> None:
        """Open the page, and return once it shows a state."""
        self.browser.open(f"{self.dashboard.url}{rest}")
        self.browser.wait_for("document.querySelector('#live').dataset.state === 'on'")

    def wait_for_charts(self, count: int) -> None:
        """Return once so many charts are drawn."""
        self.browser.wait_for(f"document.querySelectorAll('.plot[data-points]').length === {count}")

    def text(self, selector: str) -> str:
        found: str = self.browser.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")
        return found

    def texts(self, selector: str) -> list[str]:
        elements = f"[...document.querySelectorAll({json.dumps(selector)})]"
        found: list[str] = self.browser.evaluate(f"{elements}.map((element) => element.innerText)")
        return found

    def is_shown(self, selector: str) -> bool:
        return bool(self.browser.evaluate(f"document.querySelector({json.dumps(selector)}).checkVisibility()"))

    def width(self) -> int:
        """How wide what is to be seen is."""
        return int(self.browser.evaluate("document.documentElement.scrollWidth"))

    def picture(self, path: Path, *, most: int) -> None:
        """Write a picture of the page from its top on, of so many lines at the most."""
        width, height = self.browser.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        height = min(height, most)
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def asked(self) -> list[str]:
        """Return every address that the page has asked for."""
        found = [seen["request"]["url"] for seen in self.browser.told("Network.requestWillBeSent")]
        assert found
        return found

    def foreign_requests(self) -> list[str]:
        return [url for url in self.asked() if not url.startswith((self.dashboard.url, "data:"))]

    def complaints(self) -> list[Any]:
        entries = [seen["entry"] for seen in self.browser.told("Log.entryAdded")]
        expected = tuple(f"the server responded with a status of {status}" for status in self.expected_statuses)
        unexpected = [entry for entry in entries if not any(text in entry["text"] for text in expected)]
        said = [*self.browser.told("Runtime.consoleAPICalled"), *self.browser.told("Runtime.exceptionThrown")]
        return [*unexpected, *said]
