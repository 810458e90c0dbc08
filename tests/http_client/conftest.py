"""Clients that end with their test, and a certificate."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from importer.http_client import HttpClient
from tests.http_servers import Certificate, make_certificate


@pytest.fixture
def client_for() -> Iterator[Callable[..., HttpClient]]:
    """Make clients that don't pause before they repeat a request, and close them."""
    clients: list[HttpClient] = []

    def make(url: str, **options: Any) -> HttpClient:
        clients.append(HttpClient(url, **({"uniform": lambda low, high: 0.0} | options)))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))
