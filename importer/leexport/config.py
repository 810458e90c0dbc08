"""config.ini: who is asked, what, how often, and where the answers go.

A wrong file is a ConfigError. A wrong search is told, with every mistake in it, and left out: the others run.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from importer.config import ObjectReader, load_ini
from importer.credentials import Secret
from importer.errors import ConfigError, Problem
from importer.http_client import HttpClients
from importer.leexport.catalog import CatalogReader
from importer.leexport.outlet import SERVICES, Destination, Outlet, PluginOutlet, Surroundings, build_outlet
from importer.sources.logentries.config import Account, Query, load_account, load_query

logger = logging.getLogger(__name__)

SERVICES_VARIABLE = "LEEXPORTPY_SERVICES"
"""Names folders of users' own services, several separated by `:`."""

_Section = Mapping[str, object]


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
        """Whether both were made from the same lines, and from the same class if it is a user's."""
        mine = (self.name, self.period_seconds, self.query, self.destination, self._service_class())
        return mine == (other.name, other.period_seconds, other.query, other.destination, other._service_class())

    def _service_class(self) -> object:
        return self.outlet.service_class if isinstance(self.outlet, PluginOutlet) else None


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the file says."""

    account: Account
    searches: tuple[Search, ...]
    problems: tuple[Problem, ...]
    """What is wrong with the searches that are left out."""


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

    def read(self) -> Configuration:
        """Return what the file says now. Raises ConfigError where the file as a whole is of no use.

        That is: it cannot be read or parsed, it has no key to the query API, or there is no search in it.
        """
        content = load_ini(self.path, verbatim=["statement"])
        problems: list[Problem] = []
        account = load_account(self._required_section(content, "LE", problems))
        searches = self._required_section(content, "Searches", problems)
        named = {name: value for name, value in _section(content, "Searches").items() if isinstance(value, dict)}
        if not named and not problems:
            searches.problem("", "holds no search: each is a [[section]] in it")
        if problems:
            raise ConfigError(problems)
        return self._read_searches(account, content, named)

    def _read_searches(self, account: Account, content: _Section, named: _Section) -> Configuration:
        directories = self._services_directories(content.get("services_dir"))
        catalog = self._catalogs.read(directories)
        logger.info("services found: %s", ", ".join(sorted({*SERVICES, *catalog.services})))
        surroundings = Surroundings(self._state, catalog, self._clients)
        services = _section(content, "Services")
        searches: list[Search] = []
        problems: list[Problem] = []
        for name, section in named.items():
            found: list[Problem] = []
            search = self._read_search(name, cast(_Section, section), services, surroundings, found)
            problems += found
            if search is not None:
                searches.append(self._unless_known(search))
        self._known = {search.name: search for search in searches}
        return Configuration(account, tuple(searches), tuple(problems))

    def _unless_known(self, search: Search) -> Search:
        known = self._known.get(search.name)
        return known if known is not None and known.is_same_as(search) else search

    def _read_search(
        self, name: str, section: _Section, services: _Section, surroundings: Surroundings, problems: list[Problem]
    ) -> Search | None:
        """Return a search, or None after adding to problems, where there are none yet, what is wrong with it."""
        query_keys = self._part(name, section, "query", problems)
        keys = self._part(name, section, "destination", problems)
        period_seconds = query_keys.integer("query_period", minimum=1)
        query = load_query(query_keys)
        service = keys.text("service")
        api_key = self._api_key(service, services, problems)
        destination = Destination(name, service, _section(section, "destination"), api_key)
        outlet = build_outlet(destination, keys, surroundings) if service else None
        if problems or outlet is None:
            return None
        return Search(name, period_seconds, query, destination, outlet)

    def _required_section(self, content: _Section, name: str, problems: list[Problem]) -> ObjectReader:
        """Return a reader of a section that there has to be."""
        if not isinstance(content.get(name), dict):
            problems.append(Problem(self.path, "is missing: the file needs this section", key=f"[{name}]"))
            problems = []  # what else is missing follows from that
        return self._reader(_section(content, name), f"[{name}] ", problems)

    def _part(self, search: str, section: _Section, name: str, problems: list[Problem]) -> ObjectReader:
        """Return a reader of a section that every search has to have."""
        where = f"[Searches] [[{search}]] "
        if not isinstance(section.get(name), dict):
            problems.append(Problem(self.path, "is missing: a search needs this section", key=f"{where}[[[{name}]]]"))
            problems = []
        return self._reader(_section(section, name), where, problems)

    def _reader(self, section: _Section, where: str, problems: list[Problem]) -> ObjectReader:
        return ObjectReader(self.path, section, where=where, problems=problems, accept_text=True)

    def _api_key(self, service: str, services: _Section, problems: list[Problem]) -> Secret | None:
        """Return the key that [Services] has for a service; it need not be there, whoever needs it says so."""
        return self._reader(_section(services, service), f"[Services] [[{service}]] ", problems).secret("api_key", None)

    def _services_directories(self, value: object) -> Sequence[Path]:
        """Return the folders that the file and the environment name; relative ones lie beside the file, or are ours."""
        texts = value if isinstance(value, list) else [value]
        names = [name.strip() for text in texts if isinstance(text, str) for name in text.split(":")]
        folder = self.path.absolute().parent
        from_file = [folder / Path(name).expanduser() for name in names if name]
        return list(dict.fromkeys([*from_file, *self._services_from_environment]))


def _section(content: _Section, name: str) -> dict[str, object]:
    section = content.get(name)
    return cast("dict[str, object]", section) if isinstance(section, dict) else {}
