"""The configuration file of leexportpy, for `metrics-importer check`."""

import re
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Event

from importer.cli.leexport.main import NAME
from importer.cli.metrics_importer.projects import Checked, ConfigFile, DropIns, probes_of
from importer.errors import ConfigError
from importer.http_client import HttpClients
from importer.leexport.config import ConfigurationReader
from importer.leexport.run import sinks_of
from importer.leexport.search_files import DIRECTORY, SUFFIX
from importer.sinks.push_client import push_client
from importer.sources.logentries.api import LogSearch
from importer.sources.logentries.config import Account

NAME_OF_FILE = "config.ini"

_SECTION = re.compile(r"""^[ \t]*\[[ \t]*["']?(LE|Searches)["']?[ \t]*\][ \t]*(#.*)?$""", re.MULTILINE)


def _searches(path: Path, state: Path, *, alone: bool = True) -> Checked:
    """Check the file and every search in it: what `start` leaves out is a mistake here."""
    configuration = _reader(path, state).read(alone=alone)
    if configuration.problems:
        raise ConfigError(configuration.problems)
    account = configuration.account
    return Checked(probes=(partial(_ask, account), *probes_of(sinks_of(configuration.searches))))


def _drop_in(path: Path, state: Path) -> Checked:
    _reader(path.absolute().parent.parent / NAME_OF_FILE, state).check_file(path)
    return Checked()


def _reader(path: Path, state: Path) -> ConfigurationReader:
    return ConfigurationReader(path, state=state, clients=HttpClients(push_client))


def _ask(account: Account) -> str:
    with closing(LogSearch(account, stop=Event())) as source:
        return source.check()


def _is_ours(text: str) -> bool:
    """Whether a text has one of the sections that no other file has: users name this file as they like."""
    return _SECTION.search(text) is not None


_DROP_INS = DropIns(DIRECTORY, SUFFIX, _drop_in, partial(_searches, alone=False))

FILES = (ConfigFile(NAME_OF_FILE, _searches, (NAME,), _is_ours, _DROP_INS),)
