"""config.ini and searches.d: who is asked, what, how often, and where the answers go.

A wrong file is a ConfigError. A wrong search is told, with every mistake in it, and left out: the others run.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from importer.config import ObjectReader, Unusable
from importer.credentials import Secret
from importer.drop_ins import Stamps, stamps_of
from importer.errors import ConfigError, Problem
from importer.http_client import HttpClients
from importer.leexport.catalog import CatalogReader
from importer.leexport.key_masking import mask_keys
from importer.leexport.lane_sharing import Conflict, LaneSharing
from importer.leexport.outlet import SERVICES, Destination, Outlet, PluginOutlet, Surroundings, build_outlet
from importer.leexport.search_files import (
    DIRECTORY,
    SEARCHES,
    SUFFIX,
    SearchLines,
    Section,
    drop_in_paths,
    load_search_file,
    load_search_files,
    load_search_ini,
    searches_in,
    section_of,
)
from importer.sources.logentries.config import Account, Query, load_account, load_query

logger = logging.getLogger(__name__)

SERVICES_VARIABLE = "LEEXPORTPY_SERVICES"
"""Names folders of users' own services, several separated by `:`."""

_FOLDERS = "services_dir"
_ANY_KEY = {"api_key": "unknown"}
"""Stands in where the keys are not known."""


@dataclass(frozen=True, slots=True)
class Search:
    """A query, how often it is asked, and where the answers go."""

    name: str
    """Used in messages, and in the name of its lane."""
    period_seconds: int
    query: Query
    destination: Destination
    outlet: Outlet

    def is_same_as(self, other: "Search") -> bool:
        """Whether both were made from the same lines and secrets, and from the same class if it is a user's."""
        mine = (self.name, self.period_seconds, self.query, self.destination, self._made_from())
        return mine == (other.name, other.period_seconds, other.query, other.destination, other._made_from())

    def _made_from(self) -> object:
        return self.outlet.service_class if isinstance(self.outlet, PluginOutlet) else self.outlet.settings


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the file says."""

    account: Account
    searches: tuple[Search, ...]
    problems: tuple[Problem, ...]
    """What is wrong with the searches that are left out, and with services_dir."""


class ConfigurationReader:
    """Reads config.ini, again whenever it is asked to; a search that has not changed stays the same object."""

    def __init__(
        self, path: Path, *, state: Path, clients: HttpClients, environ: Mapping[str, str] = os.environ
    ) -> None:
        self.path = path
        self._state = state
        self._clients = clients
        named = environ.get(SERVICES_VARIABLE, "").split(":")
        self._services_from_environment = [Path(name).absolute() for name in named if name]  # a daemon leaves for /
        self._catalogs = CatalogReader()
        self._known: dict[str, Search] = {}
        self._sharing = LaneSharing()

    def stamps(self) -> Stamps:
        """Return what differs once the file or searches.d has changed."""
        return stamps_of(self.path, self.path.parent / DIRECTORY, SUFFIX)

    def read(self, *, alone: bool = False) -> Configuration:
        """Return what the files say now. Raises ConfigError where a file as a whole is of no use.

        That is: it cannot be read or parsed, it has no key to the query API, there is no search, or one is there twice.
        `alone` leaves searches.d out, if the file itself has a search.
        """
        content = load_search_ini(self.path)
        mask_keys(self.path, (section_of(content, "LE"), section_of(content, "Services")))
        problems: list[Problem] = []
        account = load_account(self._required_section(content, "LE", problems))
        named = searches_in(self.path, content)
        drop_ins = drop_in_paths(self.path)
        if not drop_ins:
            searches = self._required_section(content, SEARCHES, problems)
            if not named and not problems:
                searches.problem("", "holds no search: each is a [[section]] in it")
        if problems:
            raise ConfigError(problems)
        if drop_ins and not (alone and named):
            named += load_search_files(self.path, named)
        return self._read_searches(account, content, named)

    def check_file(self, path: Path) -> None:
        """Check a file of searches.d without the others; raises ConfigError with the mistakes in it.

        Our own file says what users' services there are, and their keys; where it is of no use, each has a key.
        """
        named = load_search_file(path)
        try:
            content = load_search_ini(self.path)
        except ConfigError:
            services = {str(section_of(lines.section, "destination").get("service")): _ANY_KEY for lines in named}
            content = {"Services": services}
        own = [problem for problem in self._read_found(content, named)[1] if problem.file == path]
        if own:
            raise ConfigError(own)

    def _read_searches(self, account: Account, content: Section, named: Sequence[SearchLines]) -> Configuration:
        searches, problems = self._read_found(content, named)
        return Configuration(account, tuple(searches), tuple(problems))

    def _read_found(self, content: Section, named: Sequence[SearchLines]) -> tuple[list[Search], list[Problem]]:
        """Return the searches that are in order, and what is wrong with the others and with services_dir."""
        problems: list[Problem] = []
        directories = self._services_directories(content.get(_FOLDERS), problems)
        catalog = self._catalogs.read(directories)
        logger.info("services found: %s", ", ".join(sorted({*SERVICES, *catalog.services})))
        surroundings = Surroundings(self._state, catalog, self._clients)
        services = section_of(content, "Services")
        sharing = LaneSharing(self._sharing)
        searches: list[Search] = []
        for lines in named:
            found: list[Problem] = []
            search = self._read_search(lines, services, surroundings, found)
            if search is not None and (conflict := sharing.conflict(search.outlet)):
                found.append(_disagreement(lines, conflict))
            elif search is not None:
                searches.append(self._joined(search, sharing))
            problems += found
        self._known = {search.name: search for search in searches}
        self._sharing = sharing
        return searches, problems

    def _joined(self, search: Search, sharing: LaneSharing) -> Search:
        """Return a search with the sink of its lane; the known object if it is the same."""
        joined = replace(search, outlet=sharing.join(search.name, search.outlet))
        known = self._known.get(search.name)
        return known if known is not None and known.is_same_as(joined) else joined

    def _read_search(
        self, lines: SearchLines, services: Section, surroundings: Surroundings, problems: list[Problem]
    ) -> Search | None:
        """Return a search, or None after adding to problems, where there are none yet, what is wrong with it."""
        query_keys = _part(lines, "query", problems)
        keys = _part(lines, "destination", problems)
        period_seconds = query_keys.integer("query_period", minimum=1)
        query = load_query(query_keys)
        service = keys.text("service")
        api_key = self._api_key(service, services, problems)
        destination = Destination(lines.name, service, section_of(lines.section, "destination"), api_key)
        outlet = build_outlet(destination, keys, surroundings) if service else None
        if problems or outlet is None:
            return None
        return Search(lines.name, period_seconds, query, destination, outlet)

    def _required_section(self, content: Section, name: str, problems: list[Problem]) -> ObjectReader:
        """Return a reader of a section that there has to be."""
        if not isinstance(content.get(name), dict):
            problems.append(Problem(self.path, "is missing: the file needs this section", key=f"[{name}]"))
            problems = []  # what else is missing follows from that
        return _reader(self.path, section_of(content, name), f"[{name}] ", problems)

    def _api_key(self, service: str, services: Section, problems: list[Problem]) -> Secret | None:
        """Return the key that [Services] has for a service; it need not be there, whoever needs it says so."""
        keys = _reader(self.path, section_of(services, service), f"[Services] [[{service}]] ", problems)
        return keys.secret("api_key", None)

    def _services_directories(self, value: object, problems: list[Problem]) -> Sequence[Path]:
        """Return the folders that the file and the environment name; relative ones lie beside the file, or are ours."""
        texts = value if isinstance(value, list) else [value]
        names = [name.strip() for text in texts if isinstance(text, str) for name in text.split(":")]
        from_file = []
        try:
            from_file = [self.path.absolute().parent / Path(name).expanduser() for name in names if name]
        except RuntimeError:
            problems.append(Problem(self.path, "~ of a user that there is not: write the whole path", key=_FOLDERS))
        if isinstance(value, Unusable):
            problems.append(Problem(self.path, value.reason, key=_FOLDERS))
        return list(dict.fromkeys([*from_file, *self._services_from_environment]))


def _part(lines: SearchLines, name: str, problems: list[Problem]) -> ObjectReader:
    """Return a reader of a section that every search has to have."""
    if not isinstance(lines.section.get(name), dict):
        what = "is missing: a search needs this section"
        problems.append(Problem(lines.file, what, key=f"{lines.key} [[[{name}]]]"))
        problems = []
    return _reader(lines.file, section_of(lines.section, name), f"{lines.key} ", problems)


def _reader(path: Path, section: Section, where: str, problems: list[Problem]) -> ObjectReader:
    return ObjectReader(path, section, where=where, problems=problems, accept_text=True)


def _disagreement(lines: SearchLines, conflict: Conflict) -> Problem:
    what = f"differs from that of [[{conflict.search}]], which pushes to the same place: give both the same"
    return Problem(lines.file, what, key=f"{lines.key} {conflict.key}")
