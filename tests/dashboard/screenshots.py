"""Takes the pictures of docs/dashboard.rst: python -m tests.dashboard.screenshots.

A week of a made-up shop is written into a new state directory, and the real page of the real command is looked at with
chromium-headless-shell, which `make servers` installs.
"""

import tempfile
import time
from pathlib import Path

from tests.commands import ROOT
from tests.dashboard.browser import DESKTOP, PHONE, Page
from tests.dashboard.served import dashboard_in
from tests.dashboard.state import break_down, fill
from tests.servers.chromium import Chromium

FOLDER = ROOT / "docs" / "screenshots"
PICTURES = {
    "dashboard.png": (DESKTOP, "light", False),
    "dashboard-problems-dark.png": (DESKTOP, "dark", True),
    "dashboard-phone.png": (PHONE, "light", True),
}
"""Name -> size, what the reader prefers, and whether something is wrong."""
_SETTLED = "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(true))))"


def main() -> None:
    """Write all pictures."""
    with tempfile.TemporaryDirectory() as folder, Chromium(Path(folder, "chromium")) as browser:
        for name, (size, scheme, is_wrong) in PICTURES.items():
            with dashboard_in(Path(folder, name)) as dashboard:
                fill(dashboard.state, now=time.time())
                if is_wrong:
                    break_down(dashboard.state, now=time.time())
                browser.fresh_page()
                page = Page(browser, dashboard, size)
                page.prefer(scheme)
                page.open()
                page.wait_for_charts(4)
                browser.evaluate(_SETTLED)
                page.picture(FOLDER / name, most=1600)
                print(FOLDER / name)


if __name__ == "__main__":
    main()
