"""A simulator of one small API, and a client's session."""

from collections.abc import Iterator

import pytest
import requests

from importer.simulators.base import HttpSimulator
from tests.simulators.http_clients import add_routes


@pytest.fixture
def simulator() -> Iterator[HttpSimulator]:
    with add_routes(HttpSimulator()) as simulator:
        yield simulator


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session
