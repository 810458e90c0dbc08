"""Answers in pages become one document, or the poll fails: half of the items would give wrong sums."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from importer.exporter.base import FaultKind
from importer.exporter.exchange import PollFailed
from importer.exporter.json_api.pages import NumberWay, PageRule, Target, joined
from importer.exporter.json_api.path import Path as JsonPath
from tests.exporter.json_services import FORBIDDEN, answers, faults, samples, service_of
from tests.http_servers import Answer, BookServer, book_server

METRICS = [
    {"name": "sum", "path": "$.items[*].n", "aggregate": "sum"},
    {"name": "all", "path": "$.all", "allow_missing_key": True},
]


def page(*numbers: int, **more: object) -> dict[str, object]:
    return {"items": [{"n": number} for number in numbers], **more}


def polled(
    folder: Path, vendor: BookServer, pages: Mapping[str, object], *, query: str = "", **more: object
) -> tuple[dict[str, float], list[tuple[FaultKind, str]], list[str]]:
    """Return what is shown after a poll, its faults, and what was asked for."""
    entry = {"api_url": f"{vendor.url}/stats{query}", "metrics": METRICS, "pages": pages, **more}
    with service_of(folder, entry) as service:
        wrong = faults(service.poll())
        return samples(service), wrong, [request.target for request in vendor.seen]


def test_links_in_the_answers_are_followed(tmp_path: Path) -> None:
    with book_server() as vendor:
        first = page(1, 2, all=5, links={"next": f"{vendor.url}/stats?page=2&of=x y"})
        vendor.answers = answers(first, page(3, links={"next": "?page=3"}), page(4, links={"next": None}))
        found, wrong, asked = polled(
            tmp_path, vendor, {"items": "$.items", "next_link": "$.links.next"}, params={"of": "x"}
        )
    assert (found, wrong) == ({"sum": 10.0, "all": 5.0}, [])
    assert asked == ["/stats?of=x", "/stats?page=2&of=x%20y", "/stats?page=3"]


def test_links_in_the_header_are_followed(tmp_path: Path) -> None:
    link = '<https://127.0.0.1/last>; rel="last", </more>; rel="next"'
    first, last = (Answer(200, json.dumps([{"n": number}]).encode()) for number in (1, 2))
    with book_server(Answer(200, first.body, {"Link": link}), last) as vendor:
        entry = {
            "api_url": vendor.url,
            "pages": {"items": "$", "next_link": "Link"},
            "metrics": [{"name": "sum", "path": "$[*].n", "aggregate": "sum"}],
        }
        with service_of(tmp_path, entry) as service:
            assert not service.poll().faults
            assert samples(service) == {"sum": 3.0}
    assert [request.target for request in vendor.seen] == ["/", "/more"]


def test_page_numbers_go_up_until_no_item_comes(tmp_path: Path) -> None:
    with book_server(*answers(page(1, all=9), page(2, all=7), page())) as vendor:
        pages = {"items": "$.items", "page_parameter": "p", "limit_parameter": "size", "limit": 1}
        found, wrong, asked = polled(tmp_path, vendor, pages, query="?q=a")
    assert (found, wrong) == ({"sum": 3.0, "all": 9.0}, [])
    assert asked == [f"/stats?q=a&size=1&p={number}" for number in (1, 2, 3)]


@pytest.mark.parametrize("last", [1, "1"])
def test_the_last_page_may_be_told(tmp_path: Path, last: object) -> None:
    with book_server(*answers(page(1, pages=last), page(2, pages=last), page(9))) as vendor:
        pages = {"items": "$.items", "page_parameter": "p", "first_page": 0, "last_page": "$.pages"}
        found, wrong, asked = polled(tmp_path, vendor, pages)
    assert (found, wrong, asked) == ({"sum": 3.0}, [], ["/stats?p=0", "/stats?p=1"])


def test_offsets_go_up_by_the_items_that_came(tmp_path: Path) -> None:
    with book_server(*answers(page(1, 2), page(3), page())) as vendor:
        pages = {"items": "$.items", "offset_parameter": "from", "limit_parameter": "limit", "limit": 5}
        found, wrong, asked = polled(tmp_path, vendor, pages)
    assert (found, wrong) == ({"sum": 6.0}, [])
    assert asked == [f"/stats?limit=5&from={offset}" for offset in (0, 2, 3)]


def test_the_number_of_all_items_may_be_told(tmp_path: Path) -> None:
    with book_server(*answers(page(1, 2, total=3), page(3, total=3), page(9))) as vendor:
        pages = {"items": "$.items", "offset_parameter": "from", "first_offset": 1, "total": "$.total"}
        found, wrong, asked = polled(tmp_path, vendor, pages)
    assert (found, wrong, asked) == ({"sum": 6.0}, [], ["/stats?from=1", "/stats?from=3"])


@pytest.mark.parametrize("end", [{"next": None}, {"next": ""}, {"next": False}, {}])
def test_cursors_are_followed_until_there_is_none(tmp_path: Path, end: dict[str, object]) -> None:
    with book_server(*answers(page(1, next="a b"), page(next=7), page(3, **end))) as vendor:
        pages = {"items": "$.items", "cursor": "$.next", "cursor_parameter": "cursor"}
        found, wrong, asked = polled(tmp_path, vendor, pages, params={"cursor": "start"})
    assert (found, wrong) == ({"sum": 4.0}, [])
    assert asked == ["/stats?cursor=start", "/stats?cursor=a+b", "/stats?cursor=7"]


def test_links_are_relative_to_where_a_redirect_led(tmp_path: Path) -> None:
    redirect = Answer(302, b"", {"Location": "/v2/stats/"})
    with book_server(redirect, *answers(page(1, next="more"), page(2))) as vendor:
        found, _, asked = polled(tmp_path, vendor, {"items": "$.items", "next_link": "$.next"})
    assert (found, asked) == ({"sum": 3.0}, ["/stats", "/v2/stats/", "/v2/stats/more"])


LINKS = {"items": "$.items", "next_link": "$.next"}
CURSORS = {"items": "$.items", "cursor": "$.next", "cursor_parameter": "c"}
NUMBERS = {"items": "$.items", "page_parameter": "p", "last_page": "$.last"}
AGAIN = "page 2 leads to one that was there before"


@pytest.mark.parametrize(
    ("pages", "documents", "kind", "reason"),
    [
        (
            LINKS,
            [page(1, next="/b"), page(2, next="/stats")],
            FaultKind.VALUE,
            "page 2 leads to one that was there before",
        ),
        (CURSORS, [page(1, next="a")], FaultKind.VALUE, "page 2 leads to one that was there before"),
        (
            {**CURSORS, "max_pages": 2},
            [page(1, next="a"), page(2, next="b")],
            FaultKind.VALUE,
            "there are more pages than pages.max_pages: 2",
        ),
        (LINKS, [page(1, next="/b"), {}], FaultKind.MISSING, "page 2: there is no list at $.items"),
        (LINKS, [{"items": None}], FaultKind.MISSING, "page 1: there is no list at $.items"),
        (LINKS, [{"items": {}}], FaultKind.VALUE, "page 1: there is no list at $.items"),
        (LINKS, [page(1, next=5)], FaultKind.VALUE, "page 1: the link to the next page is not text"),
        (
            LINKS,
            [page(1, next="http://elsewhere.example/")],
            FaultKind.VALUE,
            "page 1: the link to the next page leads to another host",
        ),
        (CURSORS, [page(1, next=[1])], FaultKind.VALUE, "page 1: the cursor is neither text nor a whole number"),
        (NUMBERS, [page(1)], FaultKind.MISSING, "page 1: there is no whole number at $.last"),
        (NUMBERS, [page(1, last=True)], FaultKind.VALUE, "page 1: there is no whole number at $.last"),
    ],
)
def test_pages_that_cannot_be_trusted_fail_the_poll(
    tmp_path: Path, pages: dict[str, object], documents: list[object], kind: FaultKind, reason: str
) -> None:
    with book_server(*answers(*documents)) as vendor:
        found, wrong, _ = polled(tmp_path, vendor, pages)
    assert (found, wrong) == ({}, [(kind, reason)])


def test_a_page_that_fails_fails_the_poll(tmp_path: Path) -> None:
    with book_server(*answers(page(1, next="/b?key=1")), Answer(403, b"no")) as vendor:
        found, wrong, _ = polled(tmp_path, vendor, LINKS)
    assert (found, wrong) == (
        {},
        [(FaultKind.STATUS, f"page 2: HTTP 403 from {vendor.url}/b{FORBIDDEN}: no")],
    )


def test_the_tries_of_a_poll_are_shared_by_its_pages(tmp_path: Path) -> None:
    first, second, third = answers(page(1, next="/b"), page(2, next="/c"), page(3))
    ill = Answer(500, b"ill")
    with book_server(ill, first, ill, second, ill, third) as vendor:
        found, wrong, asked = polled(tmp_path, vendor, LINKS)
    assert (found, wrong) == ({}, [(FaultKind.STATUS, f"page 3: HTTP 500 from {vendor.url}/c: ill")])
    assert asked == ["/stats", "/stats", "/b", "/b", "/c"]


def test_the_next_poll_begins_with_the_first_page(tmp_path: Path) -> None:
    with book_server(*answers(page(1, next="/b"), page(2), page(5))) as vendor:
        entry = {"api_url": f"{vendor.url}/a", "metrics": METRICS, "pages": LINKS}
        with service_of(tmp_path, entry) as service:
            service.poll()
            assert samples(service) == {"sum": 3.0}
            service.poll()
            assert samples(service) == {"sum": 5.0}
    assert [request.target for request in vendor.seen] == ["/a", "/b", "/a"]


def test_the_pages_of_a_poll_are_bounded_though_nobody_says_so() -> None:
    asked: list[Target] = []

    def fetch(target: Target) -> tuple[object, Mapping[str, str], str]:
        asked.append(target)
        return page(1), {}, target.path

    rule = PageRule(JsonPath("$.items"), NumberWay("p", 1, counts_items=False, end=None))
    with pytest.raises(PollFailed, match=r"^there are more pages than pages\.max_pages: 100$"):
        joined(rule, Target("/", {}), fetch)
    assert [target.params for target in asked] == [{"p": (str(number),)} for number in range(1, 101)]
