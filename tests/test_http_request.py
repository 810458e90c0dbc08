"""Addresses that are requested as they stand."""

import pytest

from importer.http_request import split_url


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://push.geckoboard.com/v1/send/a-b", ("https://push.geckoboard.com", "/v1/send/a-b")),
        ("http://127.0.0.1:8080/x/?a=b&c=d/e", ("http://127.0.0.1:8080", "/x/?a=b&c=d/e")),
        ("https://host", ("https://host", "/")),
        ("https://host?a", ("https://host", "/?a")),
        ("http://[::1]:80/a/", ("http://[::1]:80", "/a/")),
    ],
)
def test_an_address_is_a_host_and_a_path_with_its_query(url: str, parts: tuple[str, str]) -> None:
    assert split_url(url) == parts


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://host/",
        "https://user:pass@host/",
        "https:///path",
        "https://host/a b",
        "https://host/#a",
        "https://host/?a=b#c",
        "///",
    ],
)
def test_what_is_no_address_is_told_without_quoting_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"address") as caught:
        split_url(url)
    assert not url or url not in str(caught.value)
