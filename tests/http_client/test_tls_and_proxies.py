"""Certificates and proxies."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.http_client import HttpClient
from tests.http_client.asking import SECRET, closed_port, failure
from tests.http_servers import Answer, Certificate, ScriptServer, book_server, make_certificate, read_request, says


def test_a_certificate_that_nobody_vouches_for_is_refused(
    client_for: Callable[..., HttpClient], certificate: Certificate
) -> None:
    with book_server(tls=certificate.server_context()) as server:
        error = failure(client_for(server.url))
    assert error.reason == "certificate verify failed: self-signed certificate"
    assert error.unreachable
    assert server.seen == []


def test_a_certificate_for_another_host_is_refused(client_for: Callable[..., HttpClient], tmp_path: Path) -> None:
    other = make_certificate(tmp_path, subject="127.0.0.2")
    with book_server(tls=other.server_context()) as server:
        error = failure(client_for(server.url, verify=other.path))
    assert error.reason.startswith("certificate verify failed: IP address mismatch")


@pytest.mark.parametrize("how", ["given", "environment", "unchecked"])
def test_a_certificate_can_be_vouched_for(
    client_for: Callable[..., HttpClient], certificate: Certificate, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "environment":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    options: dict[str, dict[str, object]] = {"given": {"verify": certificate.path}, "unchecked": {"verify": False}}
    with book_server(Answer(200, b"x" * 100_000), tls=certificate.server_context()) as server:
        client = client_for(server.url, **options.get(how, {}))
        assert [len(client.request("POST", "/", json=1).body) for _ in range(3)] == [100_000] * 3
    assert len(server.connections) == 1


def test_an_environment_does_not_turn_a_given_certificate_off(
    client_for: Callable[..., HttpClient], certificate: Certificate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(make_certificate(tmp_path).path))
    with book_server(tls=certificate.server_context()) as server:
        assert client_for(server.url, verify=certificate.path).request("GET", "/").status == 200


def test_a_missing_file_of_certificates_is_named(client_for: Callable[..., HttpClient], tmp_path: Path) -> None:
    error = failure(client_for("https://127.0.0.1:1", verify=tmp_path / "absent.pem"))
    assert str(tmp_path / "absent.pem") in error.reason
    assert error.unreachable


def test_slow_tls_answers_are_read_whole(client_for: Callable[..., HttpClient], certificate: Certificate) -> None:
    context = certificate.server_context()

    def script(connection: socket.socket, closing: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            read_request(secure)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
            for _ in range(2):
                closing.wait(0.4)  # longer than a slice of the client's patience
                secure.sendall(b"abc")

    with ScriptServer(script) as server:
        client = client_for(server.url.replace("http:", "https:"), verify=certificate.path)
        assert client.request("GET", "/").body == b"abcabc"


def test_a_proxy_of_the_environment_is_used_unless_proxies_are_given(
    client_for: Callable[..., HttpClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    with book_server(Answer(200, b"proxy")) as proxy, book_server(Answer(200, b"direct")) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert client_for("http://vendor.invalid").request("GET", "/a").body == b"proxy"
        assert client_for(server.url, proxies={}).request("GET", "/b").body == b"direct"
        monkeypatch.delenv("http_proxy")
        assert client_for("http://vendor.invalid", proxies={"http": proxy.url}).request("GET", "/c").body == b"proxy"
    assert [seen.target for seen in proxy.seen] == ["http://vendor.invalid/a", "http://vendor.invalid/c"]


def test_a_proxy_that_is_down_is_blamed_without_its_password(client_for: Callable[..., HttpClient]) -> None:
    with closed_port() as url:
        proxy = url.replace("http://", f"http://user:{SECRET}@")
        for target in ("http://vendor.invalid", "https://vendor.invalid"):
            error = failure(client_for(target, proxies={"http": proxy, "https": proxy}))
            assert error.reason == "proxy: connection refused"
            assert error.unreachable


def test_a_proxy_that_refuses_the_tunnel_is_quoted(client_for: Callable[..., HttpClient]) -> None:
    with ScriptServer(says(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")) as proxy:
        error = failure(client_for("https://vendor.invalid", proxies={"https": proxy.url}))
    assert error.reason == "proxy: Tunnel connection failed: 407 Proxy Authentication Required"
    assert error.unreachable


@pytest.mark.parametrize("proxy", [f"http://user:{SECRET}@", "http://[::1", "nonsense://proxy:1", "socks5://proxy:1"])
def test_a_proxy_address_that_is_none_is_refused_in_one_line(
    client_for: Callable[..., HttpClient], monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    error = failure(client_for("https://vendor.invalid", proxies={"https": proxy}))
    assert "proxy" in error.reason
    assert error.unreachable
    monkeypatch.setenv("https_proxy", proxy)
    assert failure(client_for("https://vendor.invalid")).unreachable
