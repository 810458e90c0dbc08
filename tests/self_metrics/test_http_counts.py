"""Requests are counted by the status of the answer, whoever makes them."""

import threading
from collections.abc import Mapping

import pytest
import requests

from importer.collector.backoff import VENDORS
from importer.errors import TransportError
from importer.exporter.exchange import Tries
from importer.exporter.user_class.fetch import Fetcher, FetchError
from importer.http_client import HttpClient, RetryPolicy
from importer.http_counts import NO_ANSWER, PROCESS_COUNTS, RequestCounts, Requests, remaining_of
from tests.apteligent import unused_port
from tests.http_servers import Answer, book_server

EAGER = RetryPolicy(extra_attempts=2, pause_seconds=0.0)


@pytest.fixture(autouse=True)
def _no_counts_of_other_tests() -> None:
    PROCESS_COUNTS.take()


@pytest.mark.parametrize(
    ("headers", "remaining"),
    [
        ({}, None),
        ({"X-RateLimit-Remaining": "12"}, 12),
        ({"Rate-Limit-Remaining": " 0 "}, 0),
        ({"RateLimit-Remaining": "7"}, 7),
        ({"X-RateLimit-Remaining": "many"}, None),
        ({"X-RateLimit-Remaining": "9" * 30}, None),
        ({"Req-Limit-Short": "Remaining: 394 Time until reset: 3589", "Req-Limit-Long": "Remaining: 71994 Time"}, 394),
        ({"Req-Limit-Short": "none"}, None),
    ],
)
def test_what_is_left_of_a_limit_is_read_as_vendors_tell_it(headers: Mapping[str, str], remaining: int | None) -> None:
    assert remaining_of(headers) == remaining


def test_each_try_of_a_request_counts_and_a_second_look_begins_anew() -> None:
    counts = RequestCounts()
    answers = (Answer(503), Answer(500), Answer(200, headers={"X-RateLimit-Remaining": "41"}))
    with book_server(*answers) as vendor:
        client = HttpClient(vendor.url, retries=EAGER, counts=counts)
        assert client.request("GET", "/").status == 200
        client.close()
    assert counts.take() == Requests({"200": 1, "500": 1, "503": 1}, 41)
    assert counts.take() == Requests({}, None)


def test_requests_without_an_answer_count_as_such() -> None:
    counts = RequestCounts()
    client = HttpClient(f"http://127.0.0.1:{unused_port()}", retries=EAGER, counts=counts)
    with pytest.raises(TransportError):
        client.request("GET", "/")
    client.close()
    assert counts.take() == Requests({NO_ANSWER: 3})


def test_a_kept_connection_that_was_closed_meanwhile_is_no_request_of_its_own() -> None:
    counts = RequestCounts()
    with book_server() as vendor:
        client = HttpClient(vendor.url, retries=EAGER, counts=counts)
        client.request("GET", "/")
        vendor.drop_connections()
        client.request("GET", "/")
        client.close()
    assert counts.take().by_status == {"200": 2}


def test_of_several_vendors_the_smallest_rest_counts() -> None:
    counts = RequestCounts()
    for host, remaining in (("a", "5"), ("b", "3"), ("a", "4"), ("b", "9")):
        counts.answered(host, 200, {"X-RateLimit-Remaining": remaining})
    assert counts.take().rate_limit_remaining == 4


def test_no_count_is_lost_between_threads() -> None:
    counts = RequestCounts()
    threads = [threading.Thread(target=lambda: [counts.answered("a", 200, {}) for _ in range(2000)]) for _ in range(8)]
    taken = []
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken.append(counts.take())
    taken.append(counts.take())
    assert sum(requests.by_status.get("200", 0) for requests in taken) == 16_000


def test_requests_of_a_users_class_count() -> None:
    with book_server(Answer(200, b"{}", {"X-RateLimit-Remaining": "8"}), Answer(404)) as vendor:
        fetcher = Fetcher()
        fetcher.get(vendor.url, None, None, Tries(fetcher.stop))
        with pytest.raises(FetchError):
            fetcher.get(vendor.url, None, None, Tries(fetcher.stop))
        fetcher.close()
    assert PROCESS_COUNTS.take() == Requests({"200": 1, "404": 1}, 8)


def test_requests_of_a_users_class_without_an_answer_count() -> None:
    fetcher = Fetcher()
    with pytest.raises(FetchError):
        fetcher.get(f"http://127.0.0.1:{unused_port()}", None, None, Tries(fetcher.stop, uniform=min))
    fetcher.close()
    assert PROCESS_COUNTS.take().by_status == {NO_ANSWER: 3}


def test_requests_of_plug_ins_that_want_an_answer_of_requests_count() -> None:
    eager = VENDORS.sleeping_by(lambda _seconds: None)
    with book_server(Answer(503), Answer(200)) as vendor:
        eager.send(vendor.url, lambda: requests.get(vendor.url, timeout=20))
        assert PROCESS_COUNTS.take().by_status == {"200": 1, "503": 1}
    address = f"http://127.0.0.1:{unused_port()}"
    with pytest.raises(requests.ConnectionError):
        eager.single().send(address, lambda: requests.get(address, timeout=20))
    assert PROCESS_COUNTS.take().by_status == {NO_ANSWER: 1}
