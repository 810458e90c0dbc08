"""Addresses, completed or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.http_client import HttpClient, base_url
from tests.http_client.asking import SECRET


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("developers.crittercism.com", "https://developers.crittercism.com"),
        ("localhost:8080", "https://localhost:8080"),
        ("http://127.0.0.1:80/", "http://127.0.0.1:80"),
        ("HTTPS://Host.example/base/", "https://Host.example/base"),
        ("[::1]:8443/v1", "https://[::1]:8443/v1"),
        ("host_name.local.", "https://host_name.local."),
        ("bücher.example", "https://bücher.example"),
    ],
)
def test_an_address_is_completed(text: str, url: str) -> None:
    assert base_url(text) == url
    assert base_url(url) == url


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "https://", "ftp://host", "file:///etc/passwd", "host name", " host", "host\n", "https://ho\tst",
        f"https://user:{SECRET}@host", f"{SECRET}@host", f"host?key={SECRET}", f"host/#{SECRET}", "host:", "host:0",
        "host:99999", "host:x", "https://[::1", "[v1.x]", "[::g]", "a..b",
        "-a.example", "a" * 64 + ".example", "host/a b",
        ".".join(["a" * 60] * 5), "host\\evil",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError, match="address") as caught:
        base_url(text)
    assert SECRET not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(ValueError, match="address"):
        HttpClient(text)


@given(st.text())
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        url = base_url(text)
    except ValueError:
        return
    assert base_url(url) == url
    assert url.isprintable()
