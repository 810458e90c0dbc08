"""Pages are handed out: to whoever may have them, on every address, while others are slow, until a port is closed."""

import base64
import gzip
import http.client
import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from importer.config import ObjectReader
from importer.exporter.exposition.page import Page
from importer.exporter.exposition.scrape_server import MAX_CONNECTIONS, PortUnavailable, ScrapeServer
from importer.exporter.exposition.web_config import WebConfig, read_web_config
from importer.exporter.family import Family, Sample, Series
from tests.exporter.exposition.test_web_config import LACE
from tests.exporter.scripted import WAIT_SECONDS, gauge
from tests.http_servers import Certificate, make_certificate
from tests.servers import Prometheus

STOCK = "# HELP stock stock\n# TYPE stock gauge\nstock 1.0\n"


@pytest.fixture
def server() -> Iterator[ScrapeServer]:
    running = ScrapeServer()
    yield running
    running.close()


def page(*families: Family) -> Page:
    shown = Page(registry=CollectorRegistry())
    shown.publish(families or [gauge("stock", 1.0)])
    return shown


def ask(
    port: int, path: str = "/metrics", *, method: str = "GET", host: str = "127.0.0.1", **headers: str
) -> http.client.HTTPResponse:
    """Return an answer, read to its end into `.text`."""
    connection = http.client.HTTPConnection(host, port, timeout=WAIT_SECONDS)
    return _answer(connection, method, path, headers)


def ask_tls(port: int, context: ssl.SSLContext, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=WAIT_SECONDS, context=context)
    return _answer(connection, "GET", "/metrics", headers)


def _answer(
    connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str]
) -> http.client.HTTPResponse:
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.content = answer.read()  # type: ignore[attr-defined]
        return answer
    finally:
        connection.close()


def content(answer: http.client.HTTPResponse) -> bytes:
    found: bytes = answer.content  # type: ignore[attr-defined]
    return found


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def tls_config(folder: Path, **keys: object) -> WebConfig:
    web = {"tls_server_config": {"cert_file": "server.pem", "key_file": "key.pem", **keys}}
    reader = ObjectReader(folder / "config.json", {"web": web})
    config = read_web_config(reader.child("web"))
    reader.finish(refuse_unknown=False)
    assert config is not None
    return config


def trusting(certificate: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate.path)


class SlowPage(Page):
    """A page that is being rendered until the test lets it be."""

    def __init__(self) -> None:
        self.began, self.may_end = threading.Event(), threading.Event()
        super().__init__(self._wait, registry=CollectorRegistry())

    def _wait(self) -> list[Family]:
        self.began.set()
        assert self.may_end.wait(WAIT_SECONDS)
        return [gauge("slow", 1.0)]


@pytest.mark.parametrize("path", ["/", "/metrics", "/anything/at?all=1"])
def test_any_path_answers_with_the_page(server: ScrapeServer, path: str) -> None:
    answer = ask(server.serve(page(), "127.0.0.1", 0).port, path)
    assert (answer.status, content(answer).decode()) == (200, STOCK)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_head_has_the_headers_alone(server: ScrapeServer) -> None:
    answer = ask(server.serve(page(), "127.0.0.1", 0).port, method="HEAD")
    assert (answer.status, content(answer), answer.headers["Content-Length"]) == (200, b"", str(len(STOCK)))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_another_method_is_not_allowed(server: ScrapeServer, method: str) -> None:
    answer = ask(server.serve(page(), "127.0.0.1", 0).port, method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_a_browser_gets_an_empty_icon(server: ScrapeServer) -> None:
    answer = ask(server.serve(page(), "127.0.0.1", 0).port, "/favicon.ico")
    assert (answer.status, content(answer)) == (200, b"")


def test_names_are_picked_by_the_query(server: ScrapeServer) -> None:
    port = server.serve(page(gauge("a", 1.0), gauge("b", 2.0), gauge("c", 3.0)), "127.0.0.1", 0).port
    lines = content(ask(port, "/metrics?name[]=a&name%5B%5D=c")).decode().splitlines()
    assert [line for line in lines if line[0] != "#"] == ["a 1.0", "c 3.0"]


def test_openmetrics_and_gzip_are_there_for_who_asks(server: ScrapeServer) -> None:
    port = server.serve(page(), "127.0.0.1", 0).port
    answer = ask(port, Accept="application/openmetrics-text;version=1.0.0", Accept_Encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert gzip.decompress(content(answer)).decode() == f"{STOCK}# EOF\n"
    assert ask(port, Accept_Encoding="gzip;q=0").headers["Content-Encoding"] is None


def test_all_addresses_are_those_of_ipv4_and_ipv6(server: ScrapeServer) -> None:
    port = server.serve(page(), None, 0).port
    hosts = ["127.0.0.1", "::1"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]
    assert [ask(port, host=host).status for host in hosts] == [200] * len(hosts)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_one_address_is_that_one_alone(server: ScrapeServer) -> None:
    port = server.serve(page(), "::1", 0).port
    assert ask(port, host="::1").status == 200
    with pytest.raises(ConnectionRefusedError):
        ask(port)


@pytest.mark.parametrize(("address", "shown"), [("127.0.0.1", "127.0.0.1"), (None, "all addresses")])
def test_a_port_that_is_taken_is_told_in_one_line(server: ScrapeServer, address: str | None, shown: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortUnavailable) as raised:
            server.serve(page(), address, port)
    said = f"port {port} of {shown}: address already in use; end what has it, or name another port"
    assert str(raised.value) == said


def test_a_port_that_is_closed_is_free_at_once_and_others_go_on(server: ScrapeServer) -> None:
    first, second = server.serve(page(), None, 0), server.serve(page(), None, 0)
    assert ask(first.port).status == 200
    first.close()
    with socket.create_server(("127.0.0.1", first.port)):
        assert ask(second.port).status == 200


def test_a_scrape_under_way_is_answered_when_its_port_is_closed(server: ScrapeServer) -> None:
    slow = SlowPage()
    binding = server.serve(slow, "127.0.0.1", 0)
    answers: queue.SimpleQueue[http.client.HTTPResponse] = queue.SimpleQueue()
    scrape = threading.Thread(target=lambda: answers.put(ask(binding.port)))
    scrape.start()
    assert slow.began.wait(WAIT_SECONDS)
    binding.close()
    slow.may_end.set()
    answer = answers.get(timeout=WAIT_SECONDS)
    scrape.join()
    assert (answer.status, b"slow 1.0" in content(answer)) == (200, True)


def test_the_server_ends_although_a_page_hangs() -> None:
    server, slow = ScrapeServer(), SlowPage()
    port = server.serve(slow, "127.0.0.1", 0).port
    answers: queue.SimpleQueue[http.client.HTTPResponse] = queue.SimpleQueue()
    scrape = threading.Thread(target=lambda: answers.put(ask(port)))
    scrape.start()
    assert slow.began.wait(WAIT_SECONDS)
    server.close()
    scrape.join()
    assert answers.get(timeout=WAIT_SECONDS).status == 503
    slow.may_end.set()
    with pytest.raises(ConnectionRefusedError):
        ask(port)


def test_a_page_that_takes_long_does_not_hold_up_another(server: ScrapeServer) -> None:
    slow = SlowPage()
    first, second = server.serve(slow, "127.0.0.1", 0), server.serve(page(), "127.0.0.1", 0)
    scrape = threading.Thread(target=ask, args=(first.port,))
    scrape.start()
    assert slow.began.wait(WAIT_SECONDS)
    assert content(ask(second.port)).decode() == STOCK
    slow.may_end.set()
    scrape.join()


def test_a_client_that_does_not_read_a_large_page_does_not_hold_up_another(server: ScrapeServer) -> None:
    samples = [Sample(Series("stock", (("number", str(number)),)), 1.0) for number in range(200_000)]
    port = server.serve(page(Family("stock", "gauge", "stock", samples)), "127.0.0.1", 0).port
    with socket.create_connection(("127.0.0.1", port), WAIT_SECONDS) as lazy:
        lazy.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert lazy.recv(1) == b"H"
        answer = ask(port, "/metrics?name[]=none")
        assert (answer.status, content(answer)) == (200, b"")
    assert content(ask(port)).count(b"\nstock{") == len(samples)


def _is_cut_off(port: int) -> bool:
    """Return whether the next connection ends unanswered; a kernel may tell of a reset while still connecting."""
    try:
        with socket.create_connection(("127.0.0.1", port), WAIT_SECONDS) as connection:
            return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_connection_over_the_limit_is_cut_off(server: ScrapeServer) -> None:
    port = server.serve(page(), "127.0.0.1", 0).port
    with ExitStack() as open_ones:
        for _ in range(MAX_CONNECTIONS):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", port), WAIT_SECONDS))
        assert _is_cut_off(port)


def test_a_fault_in_a_page_is_answered_with_500_and_goes_on(server: ScrapeServer) -> None:
    shown = Page(lambda: [Family("x", "gauge", "x", [Sample(Series("x"), "no number")])])  # type: ignore[arg-type]
    port = server.serve(shown, "127.0.0.1", 0).port
    assert [ask(port).status, ask(port).status] == [500, 500]


def test_what_is_no_http_is_refused(server: ScrapeServer) -> None:
    port = server.serve(page(), "127.0.0.1", 0).port
    with socket.create_connection(("127.0.0.1", port), WAIT_SECONDS) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 400"


def test_who_has_no_right_password_gets_nothing(server: ScrapeServer) -> None:
    port = server.serve(page(), "127.0.0.1", 0, WebConfig(users={"ada": LACE})).port
    for headers in ({}, {"Authorization": basic("ada", "wrong")}, {"Authorization": basic("bob", "lace")}):
        for path in ("/metrics", "/favicon.ico"):
            answer = ask(port, path, **headers)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Basic")
            assert b"stock" not in content(answer)
    for _ in range(2):
        assert content(ask(port, Authorization=basic("ada", "lace"))).decode() == STOCK


def test_headers_of_the_configuration_are_sent(server: ScrapeServer) -> None:
    port = server.serve(page(), "127.0.0.1", 0, WebConfig(headers=((b"x-frame-options", b"deny"),))).port
    for path, method in (("/", "GET"), ("/favicon.ico", "GET"), ("/", "POST")):
        assert ask(port, path, method=method).headers["X-Frame-Options"] == "deny"


def test_a_binding_shows_another_page_with_other_passwords(server: ScrapeServer) -> None:
    binding = server.serve(page(), "127.0.0.1", 0)
    connection = http.client.HTTPConnection("127.0.0.1", binding.port, timeout=WAIT_SECONDS)
    connection.request("GET", "/")
    assert connection.getresponse().read().decode() == STOCK
    binding.change(page(gauge("depth", 2.0)), None)
    connection.request("GET", "/")
    assert b"depth 2.0" in connection.getresponse().read()
    binding.change(page(), WebConfig(users={"ada": LACE}))
    connection.request("GET", "/")
    assert connection.getresponse().status == 401
    connection.close()


def test_tls_is_spoken_with_the_certificate_of_the_configuration(server: ScrapeServer, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    port = server.serve(page(), "127.0.0.1", 0, tls_config(tmp_path)).port
    assert content(ask_tls(port, trusting(certificate))).decode() == STOCK
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(port)


def test_a_client_without_the_certificate_that_is_asked_for_gets_nothing(server: ScrapeServer, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    keys = {"client_ca_file": "server.pem", "client_auth_type": "RequireAndVerifyClientCert"}
    port = server.serve(page(), "127.0.0.1", 0, tls_config(tmp_path, **keys)).port
    context = trusting(certificate)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask_tls(port, context)
    context.load_cert_chain(certificate.path)
    assert ask_tls(port, context).status == 200


def test_a_renewed_certificate_is_used_after_a_change_and_the_old_connections_end(
    server: ScrapeServer, tmp_path: Path
) -> None:
    former = make_certificate(tmp_path)
    shown = page()
    binding = server.serve(shown, "127.0.0.1", 0, tls_config(tmp_path))
    with (
        socket.create_connection(("127.0.0.1", binding.port), WAIT_SECONDS) as plain,
        trusting(former).wrap_socket(plain, server_hostname="127.0.0.1") as kept,
    ):
        kept.sendall(b"GET /favicon.ico HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(15) == b"HTTP/1.1 200 OK"
        renewed = make_certificate(tmp_path)
        binding.change(shown, tls_config(tmp_path))
        while kept.recv(65536):
            pass
    assert ask_tls(binding.port, trusting(renewed)).status == 200
    binding.change(shown, None)
    assert ask(binding.port).status == 200
    binding.close()
    socket.create_server(("127.0.0.1", binding.port)).close()


def test_a_prometheus_scrapes_and_answers_queries(server: ScrapeServer, prometheus: Prometheus) -> None:
    families = [
        Family("orders", "counter", "Orders.", [Sample(Series("orders_total", (("team", 'a "b"\n\\'),)), 410.0)]),
        gauge("stock", 1e6, site="é"),
    ]
    server.serve(page(*families), "127.0.0.1", prometheus.scraped_port)
    prometheus.wait_for("orders_total", {(("__name__", "orders_total"), ("team", 'a "b"\n\\')): 410.0})
    prometheus.wait_for("stock", {(("__name__", "stock"), ("site", "é")): 1e6})


class ShyPrometheus(Prometheus):
    """A Prometheus that scrapes by TLS, with a name and a password."""

    def command(self) -> list[str]:
        command = super().command()
        path = self.directory / "prometheus.yml"
        certificate = self.directory / "server.pem"
        job = f"""\
    scheme: https
    tls_config: {{ca_file: "{certificate}"}}
    basic_auth: {{username: ada, password: lace}}
"""
        path.write_text(path.read_text() + job)
        return command


@pytest.mark.server("prometheus")
def test_a_prometheus_scrapes_by_tls_with_a_password(server: ScrapeServer, tmp_path: Path) -> None:
    folder = tmp_path / "shy"
    with_tls = ShyPrometheus(folder)
    make_certificate(folder)
    web = WebConfig(tls_config(folder).tls, users={"ada": LACE})
    server.serve(page(), "127.0.0.1", with_tls.scraped_port, web)
    with with_tls as prometheus:
        prometheus.wait_for("stock", {(("__name__", "stock"),): 1.0})
