"""The configuration file of leexportpy, for `metrics-importer check`."""

from pathlib import Path
from threading import Event

from importer.cli.leexport import NAME
from importer.cli.projects import Checked, ConfigFile, probes_of
from importer.errors import ConfigError
from importer.http_client import HttpClients
from importer.leexport.config import ConfigurationReader
from importer.leexport.run import sinks_of
from importer.sinks.push_client import push_client
from importer.sources.logentries.api import LogSearch


def _searches(path: Path, state: Path) -> Checked:
    """Check the file and every search in it: what `start` leaves out is a mistake here."""
    configuration = ConfigurationReader(path, state=state, clients=HttpClients(push_client)).read()
    if configuration.problems:
        raise ConfigError(configuration.problems)
    source = LogSearch(configuration.account, stop=Event())
    return Checked(probes=(source.check, *probes_of(sinks_of(configuration.searches))))


FILES = (ConfigFile("config.ini", _searches, (NAME,)),)
