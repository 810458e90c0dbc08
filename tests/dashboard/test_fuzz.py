"""Questions that no page asks: each is answered, and none with a fault of our own."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dashboard.served import Dashboard, dashboard_in

PATHS = (
    "/",
    "/api/status",
    "/api/series",
    "/api/suggested",
    "/api/points",
    "/dashboard.js",
    "/vendor/",
    "/api//",
    "//",
)
NAMES = ("search", "offset", "limit", "store", "name", "from", "to", "after", "token", "x", "")
ODD = (
    "",
    "-1",
    "0",
    "1e400",
    "nan",
    "inf",
    "-0.0",
    "9" * 30,
    "\x00",
    "'",
    '"',
    "%",
    "\ud800",
    "\u0663",
    "🙂",
    "..",
    "*",
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard that every example asks; nothing changes there."""
    with dashboard_in(tmp_path_factory.mktemp("fuzz")) as running:
        running.state.write("a", [(at, at) for at in range(2000)], (("label", "x"),))
        yield running
        assert [line for line in running.running.errors() if "Traceback" in line or "fault" in line] == []


def encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


texts = st.one_of(st.sampled_from(ODD), st.text(max_size=40), st.integers().map(str), st.floats().map(str))


@given(path=st.sampled_from(PATHS), parameters=st.lists(st.tuples(st.sampled_from(NAMES), texts), max_size=5))
def test_any_parameters_are_answered(served: Dashboard, path: str, parameters: list[tuple[str, str]]) -> None:
    query = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in parameters)
    reply = served.ask("GET", f"{path}?{query}")
    assert reply.status in {200, 400, 404}, reply.body


@given(start=texts, end=texts, name=st.one_of(st.just("a"), texts))
def test_any_time_of_a_real_store_is_answered(served: Dashboard, start: str, end: str, name: str) -> None:
    query = f"store={encoded(str(served.state.store))}&name={encoded(name)}&from={encoded(start)}&to={encoded(end)}"
    reply = served.ask("GET", f"/api/points?{query}")
    assert reply.status in {200, 400, 404}, reply.body


@given(query=st.binary(max_size=60).map(lambda raw: raw.translate(None, bytes(range(33)) + b"\x7f#")))
def test_any_bytes_for_a_query_are_answered(served: Dashboard, query: bytes) -> None:
    reply = served.ask("GET", f"/api/series?{quote(query, safe='%&=+;?/')}")
    assert reply.status in {200, 400, 404}, reply.body


@given(
    header=st.sampled_from(["Cookie", "Authorization", "Host", "Accept"]), value=st.text('\t !"%;=,/az0é', max_size=60)
)
def test_any_header_is_answered(served: Dashboard, header: str, value: str) -> None:
    reply = served.ask("GET", "/api/suggested", {header: value.encode("latin-1")})  # type: ignore[dict-item]
    assert reply.status in {200, 400, 403}, reply.body
