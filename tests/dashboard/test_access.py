"""Who may see the dashboard."""

from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.commands import Commands
from tests.dashboard.served import WAIT_SECONDS, Dashboard, Reply, dashboard_in

TOKEN = "correct-horse-battery-staple"
ADDRESS = "0.0.0.0"  # all addresses: the only one besides loopback that every machine has


def cookie_of(reply: Reply) -> str:
    return reply.headers["set-cookie"].partition(";")[0]


@pytest.mark.parametrize("host", ["127.0.0.1:PORT", "localhost", "localhost:8080", "LOCALHOST:1", "[::1]:PORT"])
def test_this_machine_may_ask_under_its_own_names(dashboard: Dashboard, host: str) -> None:
    assert dashboard.get("/api/status", {"Host": host.replace("PORT", str(dashboard.port))}).status == 200


@pytest.mark.parametrize("path", ["/", "/api/status", "/dashboard.js"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "[::2]"])
def test_a_name_that_only_leads_here_is_refused(dashboard: Dashboard, host: str, path: str) -> None:
    reply = dashboard.get(path, {"Host": host})
    assert reply.status == 403
    assert "localhost" in reply.json()["error"]


def test_elsewhere_a_token_is_made_and_printed_once(tmp_path: Path) -> None:
    with dashboard_in(tmp_path, "--bind", ADDRESS) as dashboard:
        assert dashboard.token is not None
        assert len(dashboard.token) >= 32
        assert dashboard.get("/api/status").status == 401
        assert dashboard.get("/api/status", {"Authorization": f"Bearer {dashboard.token}"}).status == 200
        ended = dashboard.stop()
    assert sum(line.count(dashboard.token) for line in [*ended.stdout, *ended.stderr]) == 1


def test_two_starts_make_two_tokens(tmp_path: Path) -> None:
    with dashboard_in(tmp_path / "a", "--bind", ADDRESS) as one, dashboard_in(tmp_path / "b", "--bind", ADDRESS) as two:
        assert one.token != two.token
        assert two.get("/api/status", {"Authorization": f"Bearer {one.token}"}).status == 401


@pytest.fixture
def locked(tmp_path: Path) -> Dashboard:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    with dashboard_in(tmp_path / "home", "--token-file", path) as running:
        yield running


def test_with_a_file_the_token_is_needed_on_loopback_too_and_never_printed(locked: Dashboard) -> None:
    assert locked.get("/api/status").status == 401
    assert locked.get("/api/status", {"Authorization": f"bearer {TOKEN}"}).status == 200
    ended = locked.stop()
    assert TOKEN not in "\n".join([*ended.stdout, *ended.stderr])


@pytest.mark.parametrize(
    "given",
    ["", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "tökén", "Basic Og=="],
    ids=["none", "too short", "too long", "capitals", "not ascii", "another scheme"],
)
def test_a_wrong_token_opens_nothing(locked: Dashboard, given: str) -> None:
    headers = {"Authorization": f"Bearer {given}"} if " " not in given else {"Authorization": given}
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    for path in ("/api/status", "/api/series", "/api/points", "/api/suggested", "/api/nothing"):
        assert locked.get(path, encoded).status == 401  # type: ignore[arg-type]
    page = locked.get("/", token=given)
    assert page.status == 401
    assert b"That is not the token." in page.body
    assert "set-cookie" not in page.headers


def test_without_a_token_the_page_asks_for_it(locked: Dashboard) -> None:
    page = locked.get("/")
    assert (page.status, b'name="token"' in page.body) == (401, True)
    assert b"That is not the token." not in page.body
    assert "form-action 'self'" in page.headers["content-security-policy"]


def test_the_token_in_the_address_becomes_a_cookie_that_no_script_reads_and_no_site_sends(locked: Dashboard) -> None:
    page = locked.get("/", token=TOKEN)
    assert page.status == 200
    attributes = {part.strip() for part in page.headers["set-cookie"].split(";")[1:]}
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= attributes
    assert TOKEN not in page.headers["set-cookie"]
    cookie = {"Cookie": f"other=1; {cookie_of(page)}"}
    assert locked.get("/api/status", cookie).status == 200
    assert locked.get("/", cookie).status == 200


@pytest.mark.parametrize("cookie", ["NAME=", "NAME=0", "NAME=VALUEx", "NAME", "NAME=\xff", 'NAME="VALUE', "; ;="])
def test_a_wrong_cookie_opens_nothing(locked: Dashboard, cookie: str) -> None:
    name, _, value = cookie_of(locked.get("/", token=TOKEN)).partition("=")
    sent = cookie.replace("NAME", name).replace("VALUE", value).encode("latin-1")
    assert locked.get("/api/status", {"Cookie": sent}).status == 401  # type: ignore[dict-item]


def test_the_cookie_of_another_token_opens_nothing(locked: Dashboard, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("a-token-of-somebody-else")
    with dashboard_in(tmp_path / "elsewhere", "--token-file", other) as elsewhere:
        cookie = cookie_of(elsewhere.get("/", token="a-token-of-somebody-else"))
    assert locked.get("/api/status", {"Cookie": cookie}).status == 401


def test_behind_a_token_any_name_of_the_machine_will_do(locked: Dashboard) -> None:
    headers = {"Host": "metrics.example.org", "Authorization": f"Bearer {TOKEN}"}
    assert locked.get("/api/status", headers).status == 200


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "16 characters or more"),
        (b"short", "16 characters or more"),
        (b"two words of a token", "one word"),
        ("tökéntökéntökén".encode(), "letters and digits"),
    ],
)
def test_a_file_without_a_good_token_is_a_mistake(commands: Commands, content: bytes, told: str) -> None:
    path = commands.home / "token"
    path.write_bytes(content)
    result = commands.run("metrics-importer", "dashboard", "--token-file", path)
    assert (result.code, result.stdout, result.stderr.count("\n")) == (78, "", 1)
    assert f"{path}: " in result.stderr
    assert told in result.stderr


def test_a_token_file_that_is_not_there_is_a_mistake(commands: Commands) -> None:
    result = commands.run("metrics-importer", "dashboard", "--token-file", "/nonexistent/token")
    assert (result.code, result.stderr) == (78, "metrics-importer: /nonexistent/token: does not exist\n")


def test_a_token_file_without_end_is_a_mistake(commands: Commands) -> None:
    result = commands.run("metrics-importer", "dashboard", "--token-file", "/dev/zero")
    assert result.code == 78
    assert result.stderr.startswith("metrics-importer: /dev/zero: is larger than ")


def test_a_request_without_any_host_is_refused(dashboard: Dashboard) -> None:
    connection = HTTPConnection("127.0.0.1", dashboard.port, timeout=WAIT_SECONDS)
    connection.putrequest("GET", "/api/status", skip_host=True)
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()
