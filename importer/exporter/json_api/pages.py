"""Answers that come in pages: how the next one is asked for, and all of them as one document."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from importer.exporter.base import FaultKind
from importer.exporter.exchange import PollFailed
from importer.exporter.json_api.path import MISSING, Path

DEFAULT_MAX_PAGES = 100


class Target(NamedTuple):
    """Where a page is."""

    path: str
    """With its query, if it has one."""
    params: Mapping[str, Sequence[str]]

    def with_parameter(self, name: str, value: str) -> "Target":
        """Return the target with another value of a parameter."""
        return Target(self.path, {**self.params, name: (value,)})


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    document: object
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    target: Target
    """Where it was asked for."""
    path: str
    """Where it was found, after redirects."""
    number: int
    """From 1."""
    count: int
    """Of its items."""
    items_before: int
    """Of all pages before it."""


class Way(Protocol):
    """From one page to the next."""

    def first(self, target: Target) -> Target:
        """Return where the first page is."""

    def after(self, page: Page) -> Target | None:
        """Return where the page after this one is, or None after the last one; raises PollFailed."""


@dataclass(frozen=True, slots=True)
class LinkWay:
    """The answer holds the address of the next page."""

    resolve: Callable[[str, str], str | None]
    """From the path of a page, and the link there, to the next path; None for another host."""
    path: Path | None
    """Of the link in the answer; None for the header Link."""

    def first(self, target: Target) -> Target:
        """Return where the first page is."""
        return target

    def after(self, page: Page) -> Target | None:
        """Return where the link leads."""
        link = _next_of(page.headers.get("Link", "")) if self.path is None else _found(self.path, page)
        if not link:
            return None
        if not isinstance(link, str):
            raise PollFailed(FaultKind.VALUE, "the link to the next page is not text")
        path = self.resolve(page.path, link)
        if path is None:
            raise PollFailed(FaultKind.VALUE, "the link to the next page leads to another host")
        return Target(path, {})


@dataclass(frozen=True, slots=True)
class NumberWay:
    """A parameter holds the page's number, or how many items are before it, until no item comes."""

    parameter: str
    start: int
    counts_items: bool
    """Whether it is the items that are counted, rather than the pages."""
    end: Path | None
    """Of the last page's number, or the number of all items."""

    def first(self, target: Target) -> Target:
        """Return where the first page is."""
        return target.with_parameter(self.parameter, str(self.start))

    def after(self, page: Page) -> Target | None:
        """Return the page with the next number."""
        following = self.start + (page.items_before + page.count if self.counts_items else page.number)
        if page.count == 0 or (self.end is not None and self._is_over(following, _number(self.end, page))):
            return None
        return page.target.with_parameter(self.parameter, str(following))

    def _is_over(self, following: int, end: int) -> bool:
        return following - self.start >= end if self.counts_items else following > end


@dataclass(frozen=True, slots=True)
class CursorWay:
    """The answer holds what a parameter of the next request must be, until it holds none."""

    parameter: str
    path: Path

    def first(self, target: Target) -> Target:
        """Return where the first page is."""
        return target

    def after(self, page: Page) -> Target | None:
        """Return the page at the cursor."""
        cursor = _found(self.path, page)
        if cursor in (None, "", False):
            return None
        if not isinstance(cursor, str | int):
            raise PollFailed(FaultKind.VALUE, "the cursor is neither text nor a whole number")
        return page.target.with_parameter(self.parameter, str(cursor))


@dataclass(frozen=True, slots=True)
class PageRule:
    """How an answer in pages is put together."""

    items: Path
    """Of the list in each page."""
    way: Way
    max_pages: int = DEFAULT_MAX_PAGES


def joined(rule: PageRule, start: Target, fetch: Callable[[Target], tuple[object, Mapping[str, str], str]]) -> object:
    """Return the first page's document with the items of all pages in it.

    `fetch` gives the document and headers of a page, and the path where it was found. Raises PollFailed, whichever
    page it is that fails: half of the items would give wrong sums.
    """
    target: Target | None = rule.way.first(start)
    whole: object = None
    items: list[object] = []
    seen: list[Target] = []
    while target is not None:
        if target in seen:
            raise PollFailed(FaultKind.VALUE, f"page {len(seen)} leads to one that was there before")
        if len(seen) == rule.max_pages:
            raise PollFailed(FaultKind.VALUE, f"there are more pages than pages.max_pages: {rule.max_pages}")
        seen.append(target)
        try:
            page, new = _fetched(rule, target, fetch, number=len(seen), items_before=len(items))
            target = rule.way.after(page)
        except PollFailed as failure:
            raise failure.within(f"page {len(seen)}") from failure
        if len(seen) == 1:
            whole, items = page.document, new
        else:
            items += new
    return whole


def _fetched(
    rule: PageRule,
    target: Target,
    fetch: Callable[[Target], tuple[object, Mapping[str, str], str]],
    *,
    number: int,
    items_before: int,
) -> tuple[Page, list[object]]:
    document, headers, path = fetch(target)
    items = rule.items.value(document)
    if not isinstance(items, list):
        kind = FaultKind.MISSING if items is MISSING or items is None else FaultKind.VALUE
        raise PollFailed(kind, f"there is no list at {rule.items.text}")
    return Page(document, headers, target, path, number, len(items), items_before), items


def _found(path: Path, page: Page) -> object:
    """Return what a path finds in a page, None for nothing."""
    value = path.value(page.document)
    return None if value is MISSING else value


def _number(path: Path, page: Page) -> int:
    value = _found(path, page)
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    kind = FaultKind.MISSING if value is None else FaultKind.VALUE
    raise PollFailed(kind, f"there is no whole number at {path.text}")


def _next_of(header: str) -> str | None:
    """Return the address that a Link header (RFC 8288) names as the next one."""
    from requests.utils import parse_header_links  # on use: it imports requests

    for link in parse_header_links(header) if header else []:
        if "next" in str(link.get("rel", "")).lower().split():
            return str(link["url"])
    return None
