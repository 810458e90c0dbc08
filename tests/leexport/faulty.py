"""Faults of the query API and of destinations for single searches of one run, and what the run says about them."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from importer.simulators.base import Answer, Exchange, Fault, Predicate, Request
from tests.commands import Commands, Result, isolated_environment
from tests.leexport.answers import answer
from tests.leexport.site import Site

_TOLD = re.compile(r"leexportpy: \[\[(?P<search>[^\]]+)\]\] (?P<service>\w+): (?P<reason>.+)")
LIMITED = {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}
"""The headers of an answer that asks for a second's pause."""


def own_commands(home: Path) -> Commands:
    """Return commands in an environment of their own, for a fixture that several tests share."""
    return Commands(home, isolated_environment(home))


def statement_of(name: str) -> str:
    """Return a statement that no other search has."""
    return f"where(case={name}) calculate(count)"


def asks(name: str) -> Predicate:
    """Return whether a request posts the query of the search of that name."""
    statement = statement_of(name)
    return lambda request: request.method == "POST" and statement.encode() in request.body


def posts(site: Site, name: str) -> tuple[Request, ...]:
    """Return the requests that posted the query of a search."""
    return tuple(filter(asks(name), site.api.requests))


def polls(site: Site, name: str) -> tuple[Request, ...]:
    """Return the requests for the result of a search's query, where `running` has sent it to its path."""
    return site.api.requests_to(poll_path(name), method="GET")


def poll_path(name: str) -> str:
    """Return where the result of a search's query is to be had."""
    return f"/query/{name}"


def running(
    name: str,
    *,
    status: int = 202,
    host: str = "",
    rel: str = "Self",
    progress: object = 40,
    others: Mapping[str, object] | None = None,
) -> Fault:
    """Return a fault: the query of a search is under way, and its result to be had at `poll_path` of `host`."""

    def fault(exchange: Exchange) -> None:
        href = f"http://{host or exchange.request.headers['host']}{poll_path(name)}"
        partial = answer("timeseries_average")["statistics"]
        content = {"id": "1", "progress": progress, "events": [], "partial": partial, **(others or {})}
        exchange.send(Answer.json({**content, "links": [{"rel": rel, "href": href}]}, status=status))

    return fault


def said(result: Result) -> dict[str, str]:
    """Return the reason of each search that failed; fails for any other line on standard error, and for a second."""
    reasons: dict[str, str] = {}
    for line in result.stderr.splitlines():
        match = _TOLD.fullmatch(line)
        assert match, line
        assert match["search"] not in reasons, line
        reasons[match["search"]] = match["reason"]
    return reasons


def services_said(result: Result) -> dict[str, str]:
    """Return the service of each search that failed."""
    matches = filter(None, map(_TOLD.fullmatch, result.stderr.splitlines()))
    return {match["search"]: match["service"] for match in matches}


def in_turn(*faults: Answer | Fault) -> Fault:
    """Return a fault that is each of these once, in this order, and none from then on."""
    waiting = iter(faults)

    def fault(exchange: Exchange) -> None:
        following = next(waiting, None)
        if following is None:
            exchange.proceed()
        elif isinstance(following, Answer):
            exchange.send(following)
        else:
            following(exchange)

    return fault


Arrange = Callable[[Site, str], None]
"""Adds a search of a name to a site, and what it will meet."""
