"""The page, used by a real browser against the real command."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard.browser import DESKTOP, NARROWEST, PHONE, Page
from tests.dashboard.served import Dashboard, dashboard_in
from tests.dashboard.state import CARBON, ROOM, break_down, fill
from tests.servers.chromium import Chromium

HOSTILE = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>'
SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE, NARROWEST], ids=["desktop", "phone", "narrowest"])
WEEK_NAMES = 12
"""Names in the store that `fill` writes."""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def page(chromium: Chromium, dashboard: Dashboard) -> Iterator[Page]:
    """The page of an empty state directory, not opened yet.

    Afterwards no request may have left its origin, and nothing may stand in the console.
    """
    chromium.fresh_page()
    used = Page(chromium, dashboard)
    yield used
    assert used.foreign_requests() == []
    assert used.complaints() == []


@pytest.fixture
def week(page: Page) -> Page:
    """The page of a week of a small shop where all is well, not opened yet."""
    fill(page.dashboard.state, now=time.time())
    return page


def test_an_empty_page_tells_what_to_do(page: Page) -> None:
    page.open()
    page.browser.wait_for("document.querySelector('#headline').textContent === 'No command has run yet'")
    assert "metrics-importer check" in page.text("#no-commands")
    assert '"protocol": "sqlite"' in page.text("#no-store")
    assert "No remembered run has failed" in page.text("#no-errors")
    assert not page.is_shown("#commands")
    assert not page.is_shown("#explorer")


@SIZES
def test_all_well_is_said_on_top_and_each_command_is_shown(week: Page, size: tuple[int, int]) -> None:
    week.resize(size)
    week.open()
    assert week.text("#headline") == "All well"
    assert week.texts("#notes li") == []
    names = week.texts("#command-rows .name")
    assert names == ["dailyjobs", "livestats", "groupedby", "servicestats", "leexportpy", "pp-collector"]
    assert set(week.texts("#command-rows .tag")) == {"ok"}
    (livestats,) = [row for row in week.texts("#command-rows tr") if row.startswith("livestats")]
    assert re.search(r"ago\s+\d+ points in 0\.\d s", livestats)
    assert "every 5 min" in livestats
    assert week.text("#waiting-total") == "nothing waits"
    assert week.width() <= size[0]


@SIZES
def test_what_is_wrong_is_said_on_top_and_where_it_is(week: Page, size: tuple[int, int]) -> None:
    break_down(week.dashboard.state, now=time.time())
    week.resize(size)
    week.open()
    assert week.text("#headline") == "2 problems to look at"
    assert week.browser.evaluate("document.querySelector('#verdict').dataset.state") == "bad"
    assert [note.split()[0] for note in week.texts("#notes li")] == ["groupedby", "leexportpy", "livestats"]
    first = week.text("#destinations li")
    assert first.startswith(CARBON)
    assert "1,890" in first
    assert "connection refused" in first
    bar = "document.querySelector('#destinations .track.stuck span').getBoundingClientRect().width"
    track = bar.replace(" span", "")
    assert week.browser.evaluate(f"{bar} / {track}") == pytest.approx(7 * 9000 / ROOM, abs=0.01)
    assert "63 kB of 250 kB" in first
    errors = week.texts("#error-rows tr")
    assert "401 Unauthorized" in errors[0]
    assert "field type conflict" in errors[1]
    assert week.width() <= size[0]


@SIZES
def test_charts_are_drawn_at_once(week: Page, size: tuple[int, int]) -> None:
    week.resize(size)
    week.open()
    week.wait_for_charts(4)
    inked = """[...document.querySelectorAll('.chart canvas')].map((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const colours = new Set();
        for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200) colours.add(data.slice(at, at + 3).join());
        return [canvas.clientWidth, colours.size];
    })"""
    drawn = week.browser.evaluate(inked)
    assert len(drawn) == 4
    assert all(width > size[0] / 4 and colours > 5 for width, colours in drawn), drawn
    assert week.width() <= size[0]


def test_a_chart_shows_each_label_set_as_a_series_that_can_be_hidden(week: Page) -> None:
    week.open(f"#chart=shop.web.requests&store={week.dashboard.state.store}")
    week.wait_for_charts(1)
    assert week.texts(".chart .keys button") == ["code=200", "code=301", "code=404", "code=500"]
    label = "document.querySelector('.plot').getAttribute('aria-label')"
    assert re.match(r"shop\.web\.requests: 8,0\d\d points, \d+ to [\d,]+; ", week.browser.evaluate(label))
    before = week.browser.evaluate("document.querySelector('.chart canvas').toDataURL()")
    week.browser.click(".chart .keys button")
    assert week.browser.evaluate("document.querySelector('.chart .keys button').ariaPressed") == "false"
    week.browser.wait_for(f"document.querySelector('.chart canvas').toDataURL() !== '{before}'")


def test_a_new_run_is_shown_without_a_reload(week: Page) -> None:
    week.open()
    loads = len(week.browser.told("Page.loadEventFired"))
    week.dashboard.state.record("livestats", time.time(), exit_code=1, points=4321, message="the vendor is away")
    week.browser.wait_for("document.querySelector('#headline').textContent === '1 problem to look at'")
    (row,) = [row for row in week.texts("#command-rows tr") if row.startswith("livestats")]
    assert "4,321 points" in row
    assert "failed" in row
    assert "the vendor is away" in week.text("#error-rows tr")
    week.dashboard.state.record("livestats", time.time())
    week.browser.wait_for("document.querySelector('#headline').textContent === 'All well'")
    assert len(week.browser.told("Page.loadEventFired")) == loads


def test_new_points_are_drawn_without_a_reload(week: Page) -> None:
    state = week.dashboard.state
    state.write("shop.visitors", [(at, at % 5) for at in range(1000, 1010)])
    week.open(f"#chart=shop.visitors&store={state.store}")
    week.wait_for_charts(1)
    assert week.text(".chart .latest") == "4"
    state.write("shop.visitors", [(1010, 7654321)])
    week.browser.wait_for("document.querySelector('.chart .latest').textContent === '7,654,321'")
    assert week.text(".chart .said").startswith("11 points")


def test_the_first_command_and_the_first_store_appear_by_themselves(page: Page) -> None:
    page.open()
    fill(page.dashboard.state, now=time.time())
    page.browser.wait_for("document.querySelectorAll('#command-rows tr').length === 6")
    page.wait_for_charts(4)
    assert not page.is_shown("#no-commands")


def test_series_are_found_as_one_types_and_drawn_by_a_click(week: Page) -> None:
    week.open()
    week.wait_for_charts(4)
    assert week.text("#found") == f"{WEEK_NAMES} names"
    week.browser.write("#search", "bike live")
    week.browser.wait_for("document.querySelector('#found').textContent === '2 found'")
    assert week.texts("#series h3") == ["apteligent.Bike_Shop.live"]
    assert week.texts("#series .leaf") == ["appLoads", "crashes"]
    week.browser.click("#series li:nth-child(2) button")
    week.wait_for_charts(1)
    assert week.browser.evaluate("document.querySelector('.chart').dataset.name") == "apteligent.Bike_Shop.live.crashes"
    week.browser.click("#series li:nth-child(1) button")
    week.wait_for_charts(2)
    pressed = "[...document.querySelectorAll('#series button')].map((button) => button.ariaPressed)"
    assert week.browser.evaluate(pressed) == ["true", "true"]
    week.browser.click(".chart .close")
    week.wait_for_charts(1)
    assert week.browser.evaluate(pressed) == ["false", "true"]


def test_a_search_without_a_find_says_so(week: Page) -> None:
    week.open()
    week.browser.wait_for("document.querySelector('#series button')")
    week.browser.write("#search", "nonesuch")
    week.browser.wait_for("document.querySelector('#found').textContent === 'No name holds “nonesuch”.'")
    assert week.texts("#series button") == []


def test_more_names_than_fit_are_shown_part_by_part(page: Page) -> None:
    for number in range(70):
        page.dashboard.state.write(f"many.n{number:02}", [(1, number)])
    page.open()
    page.browser.wait_for("document.querySelectorAll('#series button').length === 60")
    page.browser.click("#more")
    page.browser.wait_for("document.querySelectorAll('#series button').length === 70")
    assert not page.is_shown("#more")


def test_the_time_shown_is_chosen_and_kept_in_the_address(week: Page) -> None:
    week.open(f"#chart=shop.web.requests&store={week.dashboard.state.store}")
    week.wait_for_charts(1)
    total = "Number(document.querySelector('.said').textContent.match(/^[0-9,]+/)[0].replace(',', ''))"
    assert week.browser.evaluate(total) > 8000
    week.browser.click("#range input[value='24h'] + span")
    week.browser.wait_for(f"{total} < 1200")
    assert 4 * 280 < week.browser.evaluate(total) < 4 * 290
    week.browser.load(lambda: week.browser.call("Page.reload"), "the page again")
    week.browser.wait_for("document.querySelector('#range input:checked').value === '24h'")
    week.wait_for_charts(1)


def test_a_time_without_points_says_what_to_do(week: Page) -> None:
    week.dashboard.state.write("shop.old", [(1000, 1)])
    week.open(f"#range=1h&chart=shop.old&store={week.dashboard.state.store}")
    week.browser.wait_for("document.querySelector('.plot .empty')")
    assert week.text(".plot .empty") == "No point in the last hour; choose a longer one."


def test_what_is_under_the_pointer_is_told(week: Page) -> None:
    week.dashboard.state.write("shop.two", [(86400, 5), (2 * 86400, 12345)])
    week.open(f"#chart=shop.two&store={week.dashboard.state.store}")
    week.wait_for_charts(1)
    x, y = week.browser.evaluate(
        "(() => { const over = document.querySelector('.u-over'); over.scrollIntoView({behavior: 'instant'});"
        " const box = over.getBoundingClientRect(); return [box.right - 8, box.top + 60]; })()"
    )
    week.browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    week.browser.wait_for("document.querySelector('.said').textContent.includes('12,345')")
    assert week.text(".said") == "Jan 3, 00:00:00: 12,345"


def test_it_is_dark_where_the_reader_wants_it_so_and_charts_follow(week: Page) -> None:
    week.prefer("light")
    week.open()
    week.wait_for_charts(4)
    picture = "document.querySelector('.chart canvas').toDataURL()"
    shades = []
    before = week.browser.evaluate(picture)
    for scheme in ("light", "dark"):
        week.prefer(scheme)
        week.browser.wait_for(f"({picture} !== '{before}') === {'true' if scheme == 'dark' else 'false'}")
        colour = week.browser.evaluate("getComputedStyle(document.body).backgroundColor")
        shades.append(sum(map(int, re.findall(r"\d+", colour))))
    light, dark = shades
    assert light > 600
    assert dark < 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(week: Page, scheme: str) -> None:
    """By 4.5 to 1, as WCAG 2 AA wants it."""
    break_down(week.dashboard.state, now=time.time())
    week.prefer(scheme)
    week.open()
    week.wait_for_charts(4)
    assert week.browser.evaluate(_CONTRASTS) == []


_CONTRASTS = """(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const over = (layers) => {
        for (const layer of ['white', ...layers]) { canvas.fillStyle = layer; canvas.fillRect(0, 0, 1, 1); }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    const weight = [0.2126, 0.7152, 0.0722];
    const light = (rgb) => rgb.reduce((sum, part, at) => sum + linear(part / 255) * weight[at], 0);
    const contrast = (holder) => {
        const layers = [];
        let opacity = 1;
        for (let at = holder; at; at = at.parentElement) {
            layers.unshift(getComputedStyle(at).backgroundColor);
            opacity *= getComputedStyle(at).opacity;
        }
        const behind = over(layers);
        const ink = over([...layers, getComputedStyle(holder).color]);
        const seen = ink.map((part, at) => part * opacity + behind[at] * (1 - opacity));
        const [dark, bright] = [light(seen), light(behind)].sort((one, other) => one - other);
        return (bright + 0.05) / (dark + 0.05);
    };
    const weak = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const holder = node.parentElement;
        const isSeen = node.textContent.trim() && holder.checkVisibility();
        if (!isSeen || holder.closest('.unseen, .skip, title, noscript')) continue;
        if (contrast(holder) < 4.5) weak.push([node.textContent.trim(), contrast(holder)]);
    }
    return weak;
})()"""


def test_whatever_can_be_used_has_a_name_for_screen_readers(week: Page) -> None:
    break_down(week.dashboard.state, now=time.time())
    week.open()
    week.wait_for_charts(4)
    nodes = [node for node in week.browser.call("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    used = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]
    roles = {role for role, _ in used}
    assert {"button", "searchbox", "radio", "columnheader", "table", "image", "row", "cell", "status"} <= roles
    named = {"button", "searchbox", "radio", "columnheader", "table", "image", "heading", "list", "article", "group"}
    assert [role for role, name in used if role in named and not name.strip() and role != "list"] == []


def test_the_keyboard_alone_finds_and_draws(week: Page) -> None:
    week.open()
    week.wait_for_charts(4)
    week.browser.call("Input.dispatchKeyEvent", type="keyDown", key="/", code="Slash", windowsVirtualKeyCode=191)
    week.browser.wait_for("document.activeElement.id === 'search'")
    week.browser.call("Input.insertText", text="latency")
    week.browser.wait_for("document.querySelector('#found').textContent === '1 found'")
    week.browser.press("Tab")
    week.browser.wait_for("document.activeElement.title === 'shop.services.latency_ms'")
    week.browser.press("Enter", text="\r")
    week.wait_for_charts(1)
    assert week.texts(".chart .keys button") == [f"host={name}.shop.example" for name in ("api", "img", "pay")]


def test_no_text_from_outside_becomes_part_of_the_page(page: Page) -> None:
    now = time.time()
    state = page.dashboard.state
    state.record("livestats", now, exit_code=1, message=HOSTILE, lane=f"plain://{HOSTILE}")
    state.keep("livestats", b"1", at=now, lane=f"plain://{HOSTILE}", problem=HOSTILE)
    state.write(f"a.{HOSTILE}", [(at, at) for at in range(9)], ((HOSTILE, HOSTILE),))
    page.open()
    page.wait_for_charts(1)
    assert HOSTILE in page.text("#notes")
    assert page.browser.evaluate("[document.querySelectorAll('img').length, window.hacked ?? null]") == [0, None]


def test_a_page_whose_server_has_ended_says_so_and_goes_on_when_it_is_back(chromium: Chromium, tmp_path: Path) -> None:
    chromium.fresh_page()
    with dashboard_in(tmp_path) as first:
        page = Page(chromium, first)
        page.open()
        first.stop()
        chromium.wait_for("document.querySelector('#live').dataset.state === 'lost'")
        assert page.text("#live-text") == "connection lost, trying again"
        with dashboard_in(tmp_path, "--port", f"{first.port}"):
            first.state.record("livestats", time.time())
            chromium.wait_for("document.querySelector('#live').dataset.state === 'on'")
            chromium.wait_for("document.querySelectorAll('#command-rows tr').length === 1")


def test_the_token_is_asked_for_and_leaves_the_address(chromium: Chromium, tmp_path: Path) -> None:
    chromium.fresh_page()
    path = tmp_path / "token"
    path.write_text("correct-horse-battery-staple")
    with dashboard_in(tmp_path / "home", "--token-file", path) as locked:
        page = Page(chromium, locked, expected_statuses={401})
        chromium.open(locked.url)
        for token in ("wrong", "correct-horse-battery-staple"):
            assert page.texts("[role=alert]") == ([] if token == "wrong" else ["That is not the token."])
            chromium.write("#token", token)
            chromium.load(lambda: chromium.press("Enter", text="\r"), "what comes of a token")
        chromium.wait_for("document.querySelector('#live').dataset.state === 'on'")
        assert chromium.evaluate("location.search") == ""
        assert chromium.evaluate("document.cookie") == ""
        page.open()
        assert page.text("#headline") == "No command has run yet"
        assert page.complaints() == []
