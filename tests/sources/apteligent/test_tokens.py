"""One token for all threads and processes: taken from memory, the file or a login, in that order."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from importer.credentials import Secret
from importer.errors import BadAnswer, SourceRefused, SourceUnavailable
from importer.sources.apteligent.tokens import MAX_LOGINS, Tokens
from tests.apteligent import GOLDEN, Clock

Login = Callable[[], object]


class Vendor:
    """Gives numbered tokens, or raises or answers what it is told to."""

    def __init__(self) -> None:
        self.logins = 0
        self.answer: object = None
        self.expires_in: object = 86400

    def __call__(self) -> object:
        self.logins += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or {"access_token": f"token-number-{self.logins}", "expires_in": self.expires_in}


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(vendor: Vendor, clock: Clock, tmp_path: Path) -> Tokens:
    return Tokens(vendor, tmp_path, source="vendor", clock=clock)


def stored(folder: Path) -> dict[str, object]:
    found = json.loads((folder / "token.json").read_text())
    assert isinstance(found, dict)
    return found


def test_a_login_is_kept_in_the_old_format(tokens: Tokens, tmp_path: Path, clock: Clock) -> None:
    assert tokens.current().reveal() == "token-number-1"
    text = (tmp_path / "token.json").read_text()
    assert text == json.dumps(
        {"access_token": "token-number-1", "expires_in": 86400, "expiration": clock.now + 86400}, indent=4
    )


def test_a_file_of_the_old_importer_is_used_until_a_minute_before_it_expires(
    tokens: Tokens, vendor: Vendor, clock: Clock, tmp_path: Path
) -> None:
    (tmp_path / "token.json").write_bytes((GOLDEN / "token-cache.json").read_bytes())
    clock.now = 1462147200.25 - 61
    assert tokens.current().reveal() == "exampleAccessToken0123456789abcd"
    clock.now += 1.5
    assert tokens.current().reveal() == "token-number-1"
    assert vendor.logins == 1


@pytest.mark.parametrize("expires_in", [1, 30, 100, 3600])
def test_a_token_is_used_for_at_least_half_of_its_life(
    expires_in: int, tokens: Tokens, vendor: Vendor, clock: Clock
) -> None:
    vendor.expires_in = expires_in
    first = tokens.current()
    clock.now += expires_in * 0.49
    assert tokens.current() == first
    clock.now += expires_in * 0.6
    assert tokens.current() != first


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"access_token": 5, "expiration": 9e9}',
        '{"access_token": "", "expiration": 9e9}',
        '{"access_token": "a b", "expiration": 9e9}',
        '{"access_token": "abcdefgh"}',
        '{"access_token": "abcdefgh", "expiration": true}',
        '{"access_token": "abcdefgh", "expiration": "soon"}',
        f'{{"access_token": "abcdefgh", "expiration": -1{"0" * 400}}}',
    ],
)
def test_a_file_that_holds_no_token_counts_as_absent(content: str, tokens: Tokens, tmp_path: Path) -> None:
    (tmp_path / "token.json").write_text(content)
    assert tokens.current().reveal() == "token-number-1"


def test_a_file_that_never_expires_is_used(tokens: Tokens, tmp_path: Path) -> None:
    (tmp_path / "token.json").write_text(f'{{"access_token": "abcdefgh", "expiration": 1{"0" * 400}}}')
    assert tokens.current().reveal() == "abcdefgh"


def test_threads_that_are_refused_together_share_one_login(tokens: Tokens, vendor: Vendor) -> None:
    old = tokens.current()
    barrier = threading.Barrier(8)

    def renew(_: int) -> Secret:
        barrier.wait(10)
        return tokens.renew(old)

    with ThreadPoolExecutor(8) as pool:
        renewed = {token.reveal() for token in pool.map(renew, range(8))}
    assert renewed == {"token-number-2"}
    assert vendor.logins == 2


def test_a_token_that_another_process_has_fetched_is_taken_before_a_login(
    tokens: Tokens, vendor: Vendor, tmp_path: Path, clock: Clock
) -> None:
    old = tokens.current()
    other = {"access_token": "of-another-process", "expiration": clock.now + 1000}
    (tmp_path / "token.json").write_text(json.dumps(other))
    assert tokens.renew(old).reveal() == "of-another-process"
    assert vendor.logins == 1


def test_a_refused_login_is_not_repeated_within_the_cycle(tokens: Tokens, vendor: Vendor) -> None:
    vendor.answer = SourceRefused("vendor", "no")
    for _ in range(3):
        with pytest.raises(SourceRefused):
            tokens.current()
    assert vendor.logins == 1
    vendor.answer = None
    tokens.begin_cycle()
    assert tokens.current().reveal() == "token-number-2"


def test_there_are_five_logins_in_a_cycle_at_most(tokens: Tokens, vendor: Vendor) -> None:
    for _ in range(MAX_LOGINS):
        tokens.renew(tokens.current()) if vendor.logins else tokens.current()
    vendor.answer = SourceUnavailable("vendor", "HTTP 500")
    with pytest.raises(SourceRefused, match=f"after {MAX_LOGINS} logins"):
        tokens.renew(tokens.current())
    assert vendor.logins == MAX_LOGINS


def test_a_refusal_of_a_new_token_ends_the_cycle_for_all(tokens: Tokens) -> None:
    tokens.current()
    first = tokens.refuse(SourceRefused("vendor", "first"))
    assert tokens.refuse(SourceRefused("vendor", "second")) is first
    with pytest.raises(SourceRefused, match="first"):
        tokens.current()


@pytest.mark.parametrize("answer", [[], {"token": "x"}, {"access_token": None}, {"access_token": "a\nb"}])
def test_an_answer_without_a_token_is_a_bad_answer(answer: object, tokens: Tokens, vendor: Vendor) -> None:
    vendor.answer = answer or [1]
    with pytest.raises(BadAnswer, match="access_token"):
        tokens.current()


def test_a_cache_that_cannot_be_written_costs_no_more_than_the_cache(
    vendor: Vendor, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = Tokens(vendor, tmp_path / "gone", source="vendor", clock=clock)
    assert tokens.current().reveal() == "token-number-1"
    assert tokens.current().reveal() == "token-number-1"
    assert "token not cached" in caplog.text
