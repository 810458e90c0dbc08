"""What the tests of self-metrics share: installations of the commands, each with its vendor."""

from collections.abc import Iterator

import pytest

from importer.simulators.backdrop import BackdropSimulator
from importer.simulators.pingdom import PingdomSimulator
from tests import apteligent
from tests.commands import Commands
from tests.exporter import site as exporter
from tests.http_servers import book_server
from tests.leexport import site as leexport
from tests.self_metrics.collector import Collector


@pytest.fixture
def site(commands: Commands) -> Iterator[apteligent.Site]:
    """The Apteligent commands, configured, with a vendor of three apps and a carbon."""
    with apteligent.opened_site(commands) as opened:
        yield opened


@pytest.fixture
def searches(commands: Commands) -> Iterator[leexport.Site]:
    """A leexportpy without searches yet."""
    with leexport.opened_site(commands) as opened:
        yield opened


@pytest.fixture
def exporter_site(commands: Commands) -> Iterator[exporter.Site]:
    """A cton without services yet."""
    with book_server(exporter.answer({"orders": 410, "depth": 17})) as vendor:
        yield exporter.Site(commands, vendor)


@pytest.fixture
def collector(commands: Commands) -> Iterator[Collector]:
    """A pp-collector with a query of Pingdom's figures."""
    with PingdomSimulator() as pingdom, BackdropSimulator() as backdrop:
        yield Collector(commands, pingdom, backdrop)
