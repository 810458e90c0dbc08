"""The servers that all tests of the contract share."""

from collections.abc import Iterator

import pytest

from tests.contract.stores import Servers


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers, each from the first test on that wants it."""
    servers = Servers(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.close()
