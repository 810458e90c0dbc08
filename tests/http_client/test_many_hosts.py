"""A client a host, and no more than so many."""

import pytest

from importer.http_client import HttpClient, HttpClients
from tests.http_servers import Answer, book_server


def test_a_host_has_one_client() -> None:
    clients = HttpClients()
    assert clients.get("https://a.example") is clients.get("https://a.example")
    assert clients.get("https://a.example") is not clients.get("https://b.example")


def test_the_client_that_is_unused_for_longest_goes_when_there_are_too_many() -> None:
    made: list[str] = []

    def make(url: str) -> HttpClient:
        made.append(url)
        return HttpClient(url)

    clients = HttpClients(make, limit=2)
    for host in ("a", "b", "a", "c", "a", "b"):
        clients.get(f"https://{host}.example")
    assert made == [f"https://{host}.example" for host in ("a", "b", "c", "b")]


def test_what_is_no_base_url_has_no_client() -> None:
    with pytest.raises(ValueError, match="not an address"):
        HttpClients().get("https://")


def test_clients_are_closed_together() -> None:
    with book_server(Answer()) as server:
        clients = HttpClients()
        clients.get(server.url).request("GET", "/")
        clients.close()
        assert clients.get(server.url).request("GET", "/").status == 200
    assert {seen.connection for seen in server.seen} == {1, 2}
