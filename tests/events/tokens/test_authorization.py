"""A header is turned into a user, or refused for a reason that does not give the token away."""

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.credentials import Secret
from importer.events.tokens.authorization import Authorizer, Forbidden
from importer.events.tokens.headers import extract_token
from importer.events.tokens.token import TokenPair
from importer.events.tokens.users import Account, User, Users, environment_users, follow_users, load_users
from tests.events.tokens.old_tokens import GOLDEN, VALID, sign

TOKEN = VALID[0]["token"]
SECRET = "open sesame"
ALI = User("user_1", "ali")
NOW = 1_795_000_000


class CountedUsers(Users):
    """Users that count how often a token is looked up, which is before it is verified."""

    look_ups = 0

    def secret_of(self, token: str) -> Secret | None:
        self.look_ups += 1
        return super().secret_of(token)


def users_with(*tokens: str) -> CountedUsers:
    return CountedUsers([Account(ALI, tuple(TokenPair(Secret(token), Secret(SECRET)) for token in tokens))])


def token_for(identity: object, *, expires: object = 10, secret: str = SECRET) -> str:
    return sign({"expires": expires, "identity": identity, "salt": "000000"}, secret)


_WORDING = "forbidden: there is no token is not among those of the users names a user that there is not"
"""What reasons are made of: a header that holds one of these words gives nothing away."""


def refusal(authorizer: Authorizer, header: str | None) -> str:
    """Return why a header is refused; the reason does not hold its token."""
    with pytest.raises(Forbidden) as caught:
        authorizer.authorize(header)
    token = extract_token(header or "")
    assert len(token) < 9 or token in _WORDING or token not in str(caught.value)
    return caught.value.reason


@pytest.fixture
def statsbob() -> Authorizer:
    users = load_users(GOLDEN / "access.json")
    return Authorizer(lambda: users)


@pytest.mark.parametrize(
    "header", ["Token {}", "Token{}", "Token     {}", "Token\t{}", "{}", " {} ", "  Token {}  "], ids=repr
)
def test_every_way_to_send_a_token_that_the_old_service_took_is_taken(statsbob: Authorizer, header: str) -> None:
    assert statsbob.authorize(header.format(TOKEN)).username == "statsbob"


@pytest.mark.parametrize("header", ["token {}", "TOKEN {}", "Bearer {}", "Basic {}", "Token Token {}", "Token {}x"])
def test_other_schemes_are_refused(statsbob: Authorizer, header: str) -> None:
    assert refusal(statsbob, header.format(TOKEN)).endswith("is not among those of the users")


@pytest.mark.parametrize("header", [None, "", " ", "Token", "Token  "])
def test_a_request_without_a_token_is_refused(statsbob: Authorizer, header: str | None) -> None:
    assert refusal(statsbob, header) == "there is no token"


@given(header=st.text(max_size=300))
def test_whatever_a_header_holds_it_is_refused_and_nothing_worse(header: str) -> None:
    refusal(Authorizer(lambda: Users([])), header)


def test_a_long_header_is_refused_by_its_ends(statsbob: Authorizer) -> None:
    assert refusal(statsbob, "Token " + "x" * 10**6) == "token xxxx...xxxx is not among those of the users"


@pytest.mark.parametrize("identity", ["ali", "user_1"])
def test_an_identity_is_the_id_or_the_name_of_a_user(identity: str) -> None:
    token = token_for(identity)
    users = users_with(token)
    assert Authorizer(lambda: users).authorize(f"Token {token}") == ALI


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (token_for("ali", secret="open barley"), "the signature is wrong"),
        (token_for("ali")[:-8], "the signature is wrong"),
        (token_for("ali") + "=", "it is not URL-safe base64"),
        (token_for("ali", expires=5), "it has expired"),
        (token_for("ali", expires=NOW), "it has expired"),
        (token_for("ali", expires=None), "the payload has no number in expires"),
        (token_for(None), "the payload has no text in identity"),
        (token_for("bob"), "names a user that there is not: 'bob'"),
    ],
)
def test_a_token_of_the_file_still_has_to_be_valid(token: str, why: str) -> None:
    users = users_with(token)
    authorizer = Authorizer(lambda: users, clock=lambda: NOW)
    assert refusal(authorizer, f"Token {token}").endswith(why)
    assert refusal(authorizer, f"Token {token}").endswith(why)


def test_a_well_signed_token_that_is_not_in_the_file_is_refused() -> None:
    users = users_with(token_for("ali"))
    other = sign({"identity": "ali", "expires": 10}, SECRET)
    assert refusal(Authorizer(lambda: users), other).endswith("is not among those of the users")


def test_a_token_is_verified_once() -> None:
    token = token_for("ali")
    users = users_with(token)
    authorizer = Authorizer(lambda: users)
    assert {authorizer.authorize(f"Token {token}") for _ in range(5)} == {ALI}
    assert users.look_ups == 1


def test_a_token_that_was_verified_expires_all_the_same() -> None:
    now = NOW
    token = token_for("ali", expires=NOW + 60)
    users = users_with(token)
    authorizer = Authorizer(lambda: users, clock=lambda: now)
    assert authorizer.authorize(token) == ALI
    now = NOW + 59
    assert authorizer.authorize(token) == ALI
    now = NOW + 60
    assert refusal(authorizer, token).endswith("it has expired")


def test_a_token_taken_out_of_the_file_is_refused_and_one_put_there_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "access.json"

    def write(*tokens: str) -> None:
        pairs = [{"access_token": token, "access_secret": SECRET} for token in tokens]
        path.write_text(json.dumps([{"id": "user_1", "username": "ali", "tokens": pairs}]))

    first, second = token_for("ali"), token_for("user_1")
    write(first)
    authorizer = Authorizer(follow_users(path, environ={}, look_seconds=0))
    assert authorizer.authorize(first) == ALI
    write(second, second)
    assert refusal(authorizer, first).endswith("is not among those of the users")
    assert authorizer.authorize(second) == ALI


def test_the_secret_of_the_environment_is_what_its_token_is_verified_with() -> None:
    environ = {"STATS_ACCESS_TOKEN": TOKEN, "STATS_ACCESS_SECRET": VALID[0]["secret"]}
    users = environment_users(environ)
    assert users is not None
    assert Authorizer(lambda: users).authorize(f"Token {TOKEN}").username == "statsbob"


def test_what_is_remembered_does_not_grow_with_what_is_refused() -> None:
    token = token_for("ali")
    users = users_with(token)
    authorizer = Authorizer(lambda: users)
    for number in range(50):
        refusal(authorizer, f"Token another-token-{number}")
    authorizer.authorize(token)
    assert len(authorizer._known.claims) == 1


def test_threads_get_the_users_of_their_moment_while_these_change() -> None:
    token = token_for("ali")
    with_token, without = users_with(token), users_with()
    current = [with_token]
    authorizer = Authorizer(lambda: current[0])
    begin = threading.Barrier(4)
    wrong: list[object] = []

    def work() -> None:
        begin.wait()
        for _ in range(500):
            try:
                found: object = authorizer.authorize(token)
            except Forbidden as error:
                found = error.reason
            if found != ALI and not str(found).endswith("is not among those of the users"):
                wrong.append(found)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    begin.wait()
    for turn in range(500):
        current[0] = (with_token, without)[turn % 2]
    for thread in threads:
        thread.join()
    assert wrong == []
    assert refusal(authorizer, token).endswith("is not among those of the users")
