"""config.ini: who is asked, what, how often, and where the answers go.

A wrong file is a ConfigError. A wrong search is told, with every mistake in it, and left out: the others run.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from importer.config import ObjectReader, Unusable, load_ini
from importer.credentials import Secret
from importer.errors import ConfigError, Problem
from importer.http_client import HttpClients
from importer.leexport.catalog import CatalogReader
from importer.leexport.key_masking import mask_keys
from importer.leexport.lane_sharing import Conflict, LaneSharing
from importer.leexport.outlet import SERVICES, Destination, Outlet, PluginOutlet, Surroundings, build_outlet
from importer.sources.logentries.config import Account, Query, load_account, load_query

logger = logging.getLogger(__name__)

SERVICES_VARIABLE = "LEEXPORTPY_SERVICES"
"""Names folders of users' own services, several separated by `:`."""

_FOLDERS = "services_dir"

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

    def read(self) -> Configuration:
        """Return what the file says now. Raises ConfigError where the file as a whole is of no use.

        That is: it cannot be read or parsed, it has no key to the query API, or there is no search in it.
        """
        content = load_ini(self.path, verbatim=["statement"], addresses=["push_url", "url", "pushgateway"])
        mask_keys(self.path, (_section(content, "LE"), _section(content, "Services")))
        problems: list[Problem] = []
        account = load_account(self._required_section(content, "LE", problems))
        searches = self._required_section(content, "Searches", problems)
        named = {name: value for name, value in _section(content, "Searches").items() if _is_search(name, value)}
        if not named and not problems:
            searches.problem("", "holds no search: each is a [[section]] in it")
        if problems:
            raise ConfigError(problems)
        return self._read_searches(account, content, named)

    def _read_searches(self, account: Account, content: _Section, named: _Section) -> Configuration:
        problems: list[Problem] = []
        directories = self._services_directories(content.get(_FOLDERS), problems)
        catalog = self._catalogs.read(directories)
        logger.info("services found: %s", ", ".join(sorted({*SERVICES, *catalog.services})))
        surroundings = Surroundings(self._state, catalog, self._clients)
        services = _section(content, "Services")
        sharing = LaneSharing(self._sharing)
        searches: list[Search] = []
        for name, section in named.items():
            found: list[Problem] = []
            search = self._read_search(name, cast(_Section, section), services, surroundings, found)
            if search is not None and (conflict := sharing.conflict(search.outlet)):
                found.append(self._disagreement(search, conflict))
            elif search is not None:
                searches.append(self._joined(search, sharing))
            problems += found
        self._known = {search.name: search for search in searches}
        self._sharing = sharing
        return Configuration(account, tuple(searches), tuple(problems))

    def _joined(self, search: Search, sharing: LaneSharing) -> Search:
        """Return a search with the sink of its lane; the known object if it is the same."""
        joined = replace(search, outlet=sharing.join(search.name, search.outlet))
        known = self._known.get(search.name)
        return known if known is not None and known.is_same_as(joined) else joined

    def _disagreement(self, search: Search, conflict: Conflict) -> Problem:
        what = f"differs from that of [[{conflict.search}]], which pushes to the same place: give both the same"
        return Problem(self.path, what, key=f"[Searches] [[{search.name}]] {conflict.key}")

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


def _section(content: _Section, name: str) -> dict[str, object]:
    section = content.get(name)
    return cast("dict[str, object]", section) if isinstance(section, dict) else {}


def _is_search(name: str, value: object) -> bool:
    """Whether a member of [Searches] is one: ConfigObj takes values for `%(name)s` from a section [[DEFAULT]]."""
    if not isinstance(value, dict):
        return False
    return name != "DEFAULT" or any(isinstance(member, dict) for member in value.values())
