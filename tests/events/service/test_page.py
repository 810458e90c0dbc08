"""The page for people, used by a real browser against the real service."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from importer import __version__
from importer.events.service.pages import PATHS
from importer.events.tokens.token import generate_pair
from tests.events.service.service_site import Service, Site
from tests.servers.chromium import Chromium
from tests.servers.process import free_port
from tests.static_pages import Inline

ZONE, HOURS_AHEAD = "Asia/Tokyo", 9
HOSTILE = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>'
REFUSED = "This token is not accepted: it is unknown, expired or was taken back."
ROWS = "[...document.querySelectorAll('#event-rows tr')]"
NAMES = f"{ROWS}.map((row) => row.querySelector('.name').textContent)"


class Page:
    """The page in a browser, and what may be said of it once a test is over."""

    def __init__(self, browser: Chromium, service: Service) -> None:
        self.browser = browser
        self.service = service
        self.origin = f"http://127.0.0.1:{service.port}"
        self.expected_statuses: set[int] = set()
        """Of answers that the browser itself complains about in its console."""
        browser.call("Emulation.setTimezoneOverride", timezoneId=ZONE)
        browser.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def open(self) -> None:
        self.browser.open(f"{self.origin}/")

    def enter(self, token: str) -> None:
        self.browser.write("#token", token)
        self.browser.press("Enter", text="\r")

    def sign_in(self) -> None:
        self.open()
        self.enter(self.service.token)
        self.browser.wait_for("document.querySelector('#updated').textContent")

    def text(self, selector: str) -> str:
        found: str = self.browser.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")
        return found

    def legend(self) -> dict[str, str]:
        """How many events each kind has by the legend of the chart."""
        items = "[...document.querySelectorAll('#legend li')]"
        texts = "['.name', '.number'].map((part) => item.querySelector(part).textContent)"
        return dict(self.browser.evaluate(f"{items}.map((item) => {texts})"))

    def bar_height(self, kind: str) -> float:
        """How high the bars of a kind are together, by the colour that the legend gives it."""
        colour = self.browser.evaluate(
            f"document.querySelector(\"#legend [title='List only {kind}'] rect\").classList[0]"
        )
        heights: list[float] = self.browser.evaluate(
            f"[...document.querySelectorAll('#chart .bar.{colour}')].map((bar) => bar.height.baseVal.value)"
        )
        return sum(heights)

    def lists_asked_for(self, *, within_seconds: int) -> int:
        """How often the events are asked for while so much time passes."""
        before = len(self._lists())
        self.browser.let_pass(within_seconds)
        return len(self._lists()) - before

    def _lists(self) -> list[str]:
        asked = [seen["request"]["url"] for seen in self.browser.told("Network.requestWillBeSent")]
        return [url for url in asked if "/log/events" in url]

    def foreign_requests(self) -> list[str]:
        asked = [seen["request"]["url"] for seen in self.browser.told("Network.requestWillBeSent")]
        assert asked
        return [url for url in asked if not url.startswith((f"{self.origin}/", "data:"))]

    def complaints(self) -> list[object]:
        entries = [seen["entry"] for seen in self.browser.told("Log.entryAdded")]
        expected = tuple(f"the server responded with a status of {status}" for status in self.expected_statuses)
        unexpected = [
            entry for entry in entries if entry["source"] != "network" or not any(e in entry["text"] for e in expected)
        ]
        said = [*self.browser.told("Runtime.consoleAPICalled"), *self.browser.told("Runtime.exceptionThrown")]
        return [*unexpected, *said]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Site.at(tmp_path_factory.mktemp("page")).running() as running:
        yield running


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def browser(chromium: Chromium) -> Chromium:
    chromium.fresh_page()
    return chromium


@pytest.fixture
def page(browser: Chromium, service: Service) -> Iterator[Page]:
    """The page; afterwards no request may have left its origin, and nothing may stand in the console."""
    used = Page(browser, service)
    yield used
    assert used.foreign_requests() == []
    assert used.complaints() == []


@pytest.mark.parametrize("token", ["eyJ.no-token==", "tökén", "two words"])
def test_a_wrong_token_is_told_in_words_and_not_kept(page: Page, token: str) -> None:
    page.expected_statuses = {403}
    page.open()
    page.enter(token)
    page.browser.wait_for("document.querySelector('#sign-in-problem').textContent")
    assert page.text("#sign-in-problem") == REFUSED
    assert page.browser.evaluate("[sessionStorage.length, document.querySelector('#dashboard').hidden]") == [0, True]


def test_the_focus_moves_on_to_what_is_shown_for_a_token(page: Page) -> None:
    page.sign_in()
    assert page.browser.evaluate("document.activeElement.id") == "counts-heading"


def test_a_token_is_kept_by_its_tab_until_it_is_forgotten(page: Page) -> None:
    page.sign_in()
    page.open()
    page.browser.wait_for("document.querySelector('#updated').textContent")
    assert page.browser.evaluate("document.querySelector('#sign-in').hidden")
    page.browser.click("#sign-out")
    page.browser.wait_for("!document.querySelector('#sign-in').hidden")
    assert page.browser.evaluate(f"[sessionStorage.length, localStorage.length, {ROWS}.length]") == [0, 0, 0]


def test_a_token_that_is_taken_back_is_asked_for_again(browser: Chromium, tmp_path: Path) -> None:
    site = Site.at(tmp_path)
    with site.running() as service:
        page = Page(browser, service)
        page.sign_in()
        site.write_users(generate_pair("statsbob"))
        browser.wait_for("document.querySelector('#sign-in-problem').textContent")
    assert page.text("#sign-in-problem") == REFUSED
    assert browser.evaluate(f"[sessionStorage.length, {ROWS}.length]") == [0, 0]


def test_events_appear_by_themselves_newest_first_in_the_time_of_the_reader(page: Page) -> None:
    page.sign_in()
    for number in (1, 2):
        page.service.posted({"event": f"new.{number}", "uid": "u", "order": {"items": number}, "note": "so"})
    page.browser.wait_for(f"{NAMES}.includes('new.2')")
    assert page.browser.evaluate(f"{NAMES}.slice(0, 2)") == ["new.2", "new.1"]
    first = page.browser.evaluate(f"{ROWS}[0].innerText")
    assert "order_items 2" in first
    assert "note so" in first
    assert "event_id" not in first
    shown, told = page.browser.evaluate(
        "(() => { const time = document.querySelector('#event-rows time'); return [time.textContent, time.title]; })()"
    )
    utc = re.fullmatch(r"\S+T(\d\d)(:\d\d:\d\d\.\d{3})\d{6}Z \(UTC\)", told)
    assert utc
    assert shown == f"{(int(utc[1]) + HOURS_AHEAD) % 24:02}{utc[2]}"


def test_nothing_is_asked_while_the_page_is_paused(page: Page) -> None:
    page.sign_in()
    assert page.lists_asked_for(within_seconds=20) >= 4
    page.browser.evaluate("document.querySelector('#pause').click()")
    assert page.browser.evaluate("document.querySelector('#pause').ariaPressed") == "true"
    assert page.lists_asked_for(within_seconds=20) == 0
    page.browser.evaluate("document.querySelector('#pause').click()")
    assert page.lists_asked_for(within_seconds=20) >= 4


def test_nothing_is_asked_while_nobody_sees_the_page(page: Page) -> None:
    page.sign_in()
    for state, least, most in (("hidden", 0, 0), ("visible", 4, 8)):
        page.browser.evaluate(
            f"Object.defineProperty(document, 'visibilityState', {{value: '{state}', configurable: true}});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        assert least <= page.lists_asked_for(within_seconds=20) <= most


def test_health_and_version_are_shown(page: Page) -> None:
    page.sign_in()
    page.browser.wait_for("document.querySelector('#version').textContent")
    assert (page.text("#version"), page.text("#health")) == (__version__, "accepts events")
    assert not page.browser.evaluate("document.querySelector('#no-backlog').hidden")


def test_events_are_filtered_by_name_and_uid(page: Page) -> None:
    for event, uid in (("f.view", "ann"), ("f.view", "bob"), ("f.order", "bob")):
        page.service.posted({"event": event, "uid": uid})
    page.sign_in()
    page.browser.write("#filter-event", "f.view")
    page.browser.wait_for(f"{ROWS}.length === 2 && {NAMES}.every((name) => name === 'f.view')")
    page.browser.write("#filter-uid", "bob")
    page.browser.wait_for(f"{ROWS}.length === 1")
    page.browser.write("#filter-uid", "nobody")
    page.browser.wait_for("document.querySelector('#listed').textContent === 'No event is like that.'")
    page.browser.click("#clear")
    page.browser.wait_for(f"{NAMES}.includes('f.order')")


def test_an_event_is_opened_by_keys_with_all_its_fields_and_leads_to_others_like_it(page: Page) -> None:
    page.service.posted({"event": "open.me", "uid": "open-1", "big": 2**62 + 1, "list": [1, 2], "event_id": "open-id"})
    page.service.posted({"event": "open.other", "uid": "open-1"})
    page.service.posted({"event": "open.another", "uid": "open-2"})
    page.sign_in()
    page.browser.write("#filter-event", "open.me")
    page.browser.wait_for(f"{NAMES}.join() === 'open.me'")
    page.browser.evaluate("document.querySelector('#clear').focus()")
    page.browser.press("Tab")
    page.browser.press("Enter", text="\r")
    page.browser.wait_for("document.querySelector('#details').open")
    fields = dict(
        page.browser.evaluate(
            "[...document.querySelectorAll('#detail-rows tr')]"
            ".map((row) => [...row.cells].map((cell) => cell.textContent))"
        )
    )
    assert fields.items() >= {"event": "open.me", "uid": "open-1", "event_id": "open-id", "list": "[1, 2]"}.items()
    assert fields["big"] == str(2**62 + 1)
    page.browser.press("Escape")
    page.browser.wait_for("!document.querySelector('#details').open")
    assert page.browser.evaluate("document.activeElement.closest('#event-rows tr') !== null")
    page.browser.click("#event-rows tr")
    page.browser.click("#only-uid")
    page.browser.evaluate("document.querySelector('#filter-event').value = ''")
    page.browser.wait_for(f"{NAMES}.join() === 'open.other,open.me'")


def test_the_focus_stays_on_its_event_when_newer_ones_come(page: Page) -> None:
    page.service.posted({"event": "focus", "uid": "focus-1"})
    page.sign_in()
    page.browser.wait_for(f"{ROWS}.length > 0")
    page.browser.evaluate("document.querySelector('#event-rows button').focus()")
    page.service.posted({"event": "focus", "uid": "focus-2"})
    page.browser.wait_for(f"{ROWS}[0].querySelector('.uid').textContent === 'focus-2'")
    assert page.browser.evaluate("document.activeElement.closest('tr').querySelector('.uid').textContent") == "focus-1"


def test_points_are_shown_with_their_measurement_tags_and_fields(page: Page) -> None:
    page.service.post(
        [{"measurement": "voting", "tags": {"uid": "p-1", "video": 3}, "fields": {"value": 1, "score": 4.25}}]
    )
    page.sign_in()
    page.browser.write("#filter-event", "voting")
    page.browser.wait_for(f"{NAMES}.join() === 'voting'")
    row = page.browser.evaluate(f"{ROWS}[0].innerText")
    assert all(text in row for text in ("p-1", "video 3", "value 1", "score 4.25"))


def test_the_chart_counts_each_kind_of_event(page: Page) -> None:
    for event, times in (("chart.a", 24), ("chart.b", 12)):
        for _ in range(times):
            page.service.posted({"event": event, "uid": "u"})
    page.sign_in()
    page.browser.wait_for("document.querySelector('#chart .bar')")
    assert (page.legend()["chart.a"], page.legend()["chart.b"]) == ("24", "12")
    assert page.browser.evaluate("document.querySelector('#chart svg').ariaLabel") == page.text("#readout")
    for hours, columns in ((1, 61), (168, 169), (24, 97)):
        page.browser.click(f"#hours label:has([value='{hours}'])")
        page.browser.wait_for(f"document.querySelectorAll('#chart .column').length === {columns}")
        assert page.bar_height("chart.a") == pytest.approx(2 * page.bar_height("chart.b"))


def test_the_chart_is_to_be_had_as_a_table_and_its_legend_filters(page: Page) -> None:
    for _ in range(40):
        page.service.posted({"event": "legend", "uid": "u"})
    page.sign_in()
    page.browser.click("#as-table summary")
    page.browser.wait_for("document.querySelector('#count-rows').textContent.includes('legend')")
    page.browser.click("#legend button[title='List only legend']")
    page.browser.wait_for(f"{ROWS}.length === 40 && {NAMES}.every((name) => name === 'legend')")


def test_what_hostile_events_say_stays_text(page: Page) -> None:
    page.service.posted({"event": HOSTILE, "uid": HOSTILE, HOSTILE: HOSTILE, "__proto__": {"constructor": HOSTILE}})
    page.service.post([{"measurement": HOSTILE, "tags": {"uid": HOSTILE}, "fields": {HOSTILE: HOSTILE}}] * 60)
    page.sign_in()
    page.browser.wait_for(f"{NAMES}.filter((name) => name.includes('<img')).length === 61")
    page.browser.click("#as-table summary")
    page.browser.wait_for("document.querySelector('#count-rows').textContent.includes('<img')")
    for row in (0, 60):
        page.browser.evaluate(f"{ROWS}[{row}].click()")
        texts = [page.text(selector) for selector in ("#details-heading", "#detail-rows", "#legend", "#event-rows")]
        assert [text for text in texts if HOSTILE not in text] == []
        page.browser.press("Escape")
        page.browser.wait_for("!document.querySelector('#details').open")
    made = page.browser.evaluate("[document.querySelectorAll('body img, body script').length, String(window.hacked)]")
    assert made == [0, "undefined"]


def test_a_store_that_is_down_is_told_with_what_waits_and_a_service_that_is_gone_too(
    browser: Chromium, tmp_path: Path
) -> None:
    site = Site.at(tmp_path)
    site.keys["influxdb.port"] = free_port("127.0.0.1")
    site.write()
    with site.running() as service:
        page = Page(browser, service)
        service.posted({"event": "waits", "uid": "u"})
        page.open()
        page.enter(service.token)
        browser.wait_for("document.querySelector('#backlog .problem')?.textContent")
        assert "1 event, " in page.text("#backlog")
        browser.wait_for("document.querySelector('#problem').textContent.startsWith('The service answers: ')")
        assert browser.evaluate(NAMES) == ["waits"]
    browser.wait_for("document.querySelector('#problem').textContent.startsWith('The service does not answer')")
    assert page.foreign_requests() == []


def test_it_fits_a_phone(page: Page) -> None:
    page.service.posted({"event": "wide", "uid": "u" * 300, "n" * 200: "x" * 1000})
    page.browser.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=True)
    page.sign_in()
    page.browser.wait_for(f"{NAMES}.includes('wide')")
    assert page.browser.evaluate("document.documentElement.scrollWidth") == 360
    page.browser.click("#event-rows button")
    page.browser.wait_for("document.querySelector('#details').open")
    assert page.browser.evaluate("document.querySelector('#details').scrollWidth <= 360")


def test_it_is_dark_where_the_reader_wants_it_so(page: Page) -> None:
    page.open()
    shades = []
    for scheme in ("light", "dark"):
        page.browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        colour = page.browser.evaluate("getComputedStyle(document.body).backgroundColor")
        shades.append(sum(map(int, re.findall(r"\d+", colour))))
    light, dark = shades
    assert light > 600
    assert dark < 100


def test_whatever_can_be_used_has_a_name_for_screen_readers(page: Page) -> None:
    page.service.posted({"event": "named", "uid": "u"})
    page.sign_in()
    page.browser.wait_for(f"{ROWS}.length > 0")
    nodes = [node for node in page.browser.call("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    named = {"button", "textbox", "searchbox", "combobox", "radio", "columnheader", "table", "image", "heading", "list"}
    used = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]
    assert {"button", "combobox", "radio", "columnheader", "table", "image", "row", "cell"} <= {
        role for role, _ in used
    }
    assert [role for role, name in used if role in named and not name.strip()] == []


def test_the_page_needs_nothing_from_elsewhere_and_its_policy_forbids_it(service: Service) -> None:
    answer = service.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    found = Inline()
    found.feed(answer.body.decode())
    assert found.forbidden == []
    assert [target for target in found.targets if "//" in target and not target.startswith("data:")] == []
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_every_file_of_the_page_is_served_and_packaged(service: Service) -> None:
    static = files("importer.events.service").joinpath("static")
    shipped = {file.name for file in static.iterdir()}
    assert {path.removeprefix("/") for path in PATHS} | {"page.html"} == shipped
    for path in PATHS:
        assert service.get(path).body == static.joinpath(path.removeprefix("/")).read_bytes()
