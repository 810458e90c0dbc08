"""What the page is made of, and that it comes with every way of installing us."""

import re
from importlib.resources import files

from importer.dashboard.pages import PATHS
from tests.commands import ROOT
from tests.dashboard.served import Dashboard
from tests.static_pages import Inline

STATIC = files("importer.dashboard").joinpath("static")
VENDOR = ROOT / "importer" / "dashboard" / "static" / "vendor"
PAGES = {"dashboard.html", "locked.html"}
UNSERVED = {"uPlot.LICENSE", "README.txt"}


def test_every_file_of_the_page_is_served_as_it_is_shipped(dashboard: Dashboard) -> None:
    shipped = {path.name for path in STATIC.iterdir() if path.is_file()} - PAGES
    shipped |= {f"vendor/{path.name}" for path in STATIC.joinpath("vendor").iterdir()} - {
        f"vendor/{name}" for name in UNSERVED
    }
    assert {path.removeprefix("/") for path in PATHS} == shipped
    for path in PATHS:
        assert dashboard.get(path).body == STATIC.joinpath(*path.split("/")[1:]).read_bytes()


def test_the_pages_need_nothing_from_elsewhere() -> None:
    for name in PAGES:
        found = Inline()
        found.feed(STATIC.joinpath(name).read_text())
        assert found.forbidden == []
        assert found.targets
        assert [target for target in found.targets if "//" in target and not target.startswith("data:")] == []


def test_nothing_of_the_page_is_missing_from_the_package() -> None:
    declared = re.findall(r'"importer\.dashboard": \[(.*?)\]', (ROOT / "setup.py").read_text())
    patterns = re.findall(r'"([^"]+)"', declared[0])
    folder = ROOT / "importer" / "dashboard"
    packaged = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    assert packaged == {path for path in (folder / "static").rglob("*") if path.is_file()}


def test_the_chart_library_tells_its_version_and_licence_and_debian_agrees() -> None:
    (version,) = re.findall(r"^uPlot ([\d.]+), ", (VENDOR / "README.txt").read_text())
    assert f"(v{version})" in (VENDOR / "uPlot.iife.min.js").read_text().splitlines()[0]
    assert "The MIT License" in (VENDOR / "uPlot.LICENSE").read_text()
    copyright_text = (ROOT / "debian" / "copyright").read_text()
    assert "Files: importer/dashboard/static/vendor/*" in copyright_text
    assert f"uPlot {version}, " in copyright_text
