"""Tokens are the old library's, to the byte, in both directions; whatever else comes is invalid, and nothing worse."""

import base64
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.credentials import MASK, Secret
from importer.events.tokens.manager import Manager
from importer.events.tokens.token import (
    EXPIRES_NEVER,
    FIRST_REAL_EXPIRY,
    MAX_TOKEN_LENGTH,
    AccessTokenInvalid,
    expiry_after,
    generate_pair,
    generate_secret,
    generate_token,
    read_token,
    shorten_token,
    verify_token,
)
from tests.events.tokens.old_tokens import VALID, accepted, sign, signing_key

NOW = 1_795_000_000.0
SECRET = Secret("abc")
PAYLOAD: dict[str, object] = {"expires": 10, "identity": "bob", "salt": "b47eea"}
TOKEN = sign(PAYLOAD, "abc")
SECRETS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=150)
IDENTITIES = st.text(max_size=100)


def reason(token: str, *, now: float = NOW) -> str:
    """Return why a token is refused; says that in one line, without the token."""
    with pytest.raises(AccessTokenInvalid) as caught:
        verify_token(token, SECRET, now=now)
    assert str(caught.value) == f"access token invalid: {caught.value.reason}"
    assert "\n" not in str(caught.value)
    assert len(token) < 16 or token not in str(caught.value)
    return caught.value.reason


def with_member(name: str, value: object) -> str:
    return sign({**PAYLOAD, name: value}, "abc")


def test_the_judge_derives_the_key_of_the_old_library() -> None:
    assert signing_key("abc").hex() == VALID[1]["signing_key_hex"]


@pytest.mark.parametrize("golden", VALID, ids=["python 2", "python 3"])
def test_tokens_of_the_old_library_verify_whatever_the_order_of_their_keys(golden: dict[str, object]) -> None:
    claims = verify_token(str(golden["token"]), Secret(str(golden["secret"])), now=NOW)
    assert claims.payload == golden["payload"]
    assert (claims.identity, claims.expires_at) == (claims.payload["identity"], math.inf)


def test_a_new_token_is_to_the_byte_what_the_old_library_makes() -> None:
    asked: list[int] = []

    def random_hex(count: int) -> str:
        asked.append(count)
        return "b47eea"

    token = generate_token("bob", SECRET, random_hex=random_hex)
    assert token.reveal() == VALID[1]["token"]
    assert asked == [3]


def test_every_token_has_a_salt_of_its_own() -> None:
    salts = {str(read_token(generate_token("bob", SECRET).reveal(), SECRET).payload["salt"]) for _ in range(20)}
    assert len(salts) > 15
    assert all(re.fullmatch("[0-9a-f]{6}", salt) for salt in salts)


def test_a_new_secret_is_128_hexadecimal_digits_that_nobody_has_seen() -> None:
    made = [generate_secret().reveal() for _ in range(5)]
    assert all(re.fullmatch("[0-9a-f]{128}", secret) for secret in made)
    assert len(set(made)) == 5


def test_a_new_pair_fits_together_and_does_not_show_itself() -> None:
    pair = generate_pair("bob")
    assert verify_token(pair.token.reveal(), pair.secret, now=NOW).identity == "bob"
    assert repr(pair) == f"TokenPair(token={MASK}, secret={MASK})"


@given(identity=IDENTITIES, secret=SECRETS, expires=st.one_of(st.just(EXPIRES_NEVER), st.integers(2 * 10**9, 10**12)))
def test_our_tokens_verify_here_and_there(identity: str, secret: str, expires: int) -> None:
    token = generate_token(identity, Secret(secret), expires=expires).reveal()
    claims = verify_token(token, Secret(secret), now=NOW)
    assert dict(claims.payload) == accepted(token, secret)
    assert (claims.identity, claims.payload["expires"]) == (identity, expires)


@given(
    payload=st.fixed_dictionaries(
        {"identity": IDENTITIES, "expires": st.floats(5.001, 1e8) | st.integers(6, 10**8)},
        optional={"salt": st.text(max_size=9), "more": st.lists(st.integers(), max_size=3)},
    ),
    secret=SECRETS,
    data=st.data(),
)
def test_their_tokens_verify_here_in_any_order(payload: dict[str, object], secret: str, data: st.DataObject) -> None:
    ordered = dict(data.draw(st.permutations(list(payload.items()))))
    assert verify_token(sign(ordered, secret), Secret(secret), now=NOW).payload == ordered


@given(position=st.integers(0, len(TOKEN) - 1), character=st.characters())
def test_a_token_with_one_character_changed_is_refused(position: int, character: str) -> None:
    changed = TOKEN[:position] + character + TOKEN[position + 1 :]
    if changed != TOKEN:
        reason(changed)


@given(position=st.integers(0, len(TOKEN) - 1), flip=st.integers(1, 255))
def test_a_token_with_one_byte_changed_is_refused(position: int, flip: int) -> None:
    data = bytearray(base64.urlsafe_b64decode(TOKEN))
    data[position % len(data)] ^= flip
    assert reason(base64.urlsafe_b64encode(data).decode()) == "the signature is wrong"


@given(st.text() | st.binary(max_size=200).map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_whatever_is_no_token_is_refused_and_nothing_worse(text: str) -> None:
    reason(text)


@given(st.binary(max_size=120))
def test_bytes_that_are_no_payload_are_refused_though_they_are_well_signed(payload: bytes) -> None:
    reason(sign(payload, "abc"))


@given(SECRETS.filter(lambda text: text != "abc"))
def test_another_secret_does_not_verify(secret: str) -> None:
    with pytest.raises(AccessTokenInvalid, match="the signature is wrong"):
        verify_token(TOKEN, Secret(secret), now=NOW)


@pytest.mark.parametrize(
    "token",
    [
        TOKEN.rstrip("="),
        TOKEN + "=",
        TOKEN + "\n",
        " " + TOKEN,
        TOKEN + "AAAA",
        TOKEN.replace("-", "+").replace("_", "/"),
        TOKEN[:20] + "\0" + TOKEN[20:],
        TOKEN[:20] + "\n" + TOKEN[20:],
        TOKEN[:-2] + "9=",
        "é" + TOKEN[1:],
        "\ud800",
        "",
        "some token I've just made up.",
    ],
    ids=repr,
)
def test_base64_is_taken_by_the_letter(token: str) -> None:
    assert reason(token) in {"it is not URL-safe base64", "the signature is wrong"}


def test_bits_that_base64_does_not_use_may_not_be_set() -> None:
    """The last letter before `==` holds four of them: 16 letters stand for the same byte."""
    token = next(token for length in range(3) if (token := with_member("salt", "a" * length)).endswith("=="))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sibling = letters[letters.index(token[-3]) ^ 1]
    assert base64.urlsafe_b64decode(token[:-3] + sibling + "==") == base64.urlsafe_b64decode(token)
    assert reason(token[:-3] + sibling + "==") == "it is not URL-safe base64"


@pytest.mark.parametrize("length", [0, 1, 63, 64, len(TOKEN) // 2])
def test_a_token_that_was_cut_is_refused(length: int) -> None:
    cut = base64.urlsafe_b64encode(base64.urlsafe_b64decode(TOKEN)[:length]).decode()
    assert reason(cut) == "the signature is wrong"


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "the payload is not JSON"),
        (b"\xff{}", "the payload is not JSON"),
        ('{"expires": 10, "identity": "bob"}'.encode("utf-16"), "the payload is not JSON"),
        (b'\xef\xbb\xbf{"expires": 10, "identity": "bob"}', "the payload is not JSON"),
        (b'{"expires": NaN, "identity": "bob"}', "the payload is not JSON"),
        (b'{"expires": Infinity, "identity": "bob"}', "the payload is not JSON"),
        (b'{"expires": 10, "identity": "bob", "x": ' + b"[" * 2900, "the payload is not JSON"),
        (b'{"expires": 1e999, "identity": "bob"}', "the payload has no number in expires"),
        (b"[]", "the payload is not a JSON object"),
        (b'"bob"', "the payload is not a JSON object"),
        (b"null", "the payload is not a JSON object"),
        (b'{"expires": 10}', "the payload has no text in identity"),
        (b'{"expires": 10, "identity": null}', "the payload has no text in identity"),
        (b'{"expires": 10, "identity": 7}', "the payload has no text in identity"),
        (b'{"identity": "bob"}', "the payload has no number in expires"),
        (b'{"expires": null, "identity": "bob"}', "the payload has no number in expires"),
        (b'{"expires": true, "identity": "bob"}', "the payload has no number in expires"),
        (b'{"expires": "10", "identity": "bob"}', "the payload has no number in expires"),
    ],
)
def test_a_well_signed_payload_that_says_too_little_is_refused(payload: bytes, why: str) -> None:
    assert reason(sign(payload, "abc")) == why


@pytest.mark.parametrize("expires", [-(10**400), -1, 0, 4.99, 5])
def test_what_the_old_library_takes_for_expired_is_expired(expires: float) -> None:
    assert reason(with_member("expires", expires)) == "it has expired"


@pytest.mark.parametrize("expires", [5.01, 6, 10, FIRST_REAL_EXPIRY - 1])
def test_less_than_a_real_time_never_expires(expires: float) -> None:
    assert verify_token(with_member("expires", expires), SECRET, now=9e15).expires_at == math.inf


@pytest.mark.parametrize("expires", [FIRST_REAL_EXPIRY, 1_795_000_000.5, 10**400])
def test_a_real_time_is_when_a_token_expires(expires: float) -> None:
    token = with_member("expires", expires)
    before = min(expires, 10**15) - 0.25
    assert verify_token(token, SECRET, now=before).expires_at == expires
    assert reason(token, now=expires) == "it has expired"
    assert read_token(token, SECRET).expires_at == expires
    assert accepted(token, "abc")["expires"] == expires


def test_what_is_too_long_is_not_even_decoded() -> None:
    token = with_member("salt", "x" * MAX_TOKEN_LENGTH)
    assert accepted(token, "abc")
    assert reason(token) == f"it is longer than {MAX_TOKEN_LENGTH} characters"


def test_no_token_is_made_that_would_be_too_long() -> None:
    with pytest.raises(ValueError, match="an identity of 4000 characters is too long"):
        generate_token("x" * 4000, SECRET)
    longest = generate_token("x" * 2950, SECRET).reveal()
    assert verify_token(longest, SECRET, now=NOW).identity == "x" * 2950


def test_a_lifetime_ends_that_many_seconds_from_now() -> None:
    assert expiry_after(60, now=NOW) == NOW + 60
    assert expiry_after(1, now=NOW + 0.1) == NOW + 2


@pytest.mark.parametrize(("seconds", "now"), [(0, NOW), (-1, NOW), (60, 5.0), (60, FIRST_REAL_EXPIRY - 61.0)])
def test_a_lifetime_that_would_come_out_as_for_ever_is_refused(seconds: int, now: float) -> None:
    with pytest.raises(ValueError, match="no time at which a token can expire"):
        expiry_after(seconds, now=now)


def test_a_secret_that_utf_8_cannot_hold_is_one_like_any_other() -> None:
    """An environment with bytes that are no UTF-8 has such text."""
    token = generate_token("bob", Secret("x\udcff")).reveal()
    assert verify_token(token, Secret("x\udcff"), now=NOW).identity == "bob"
    with pytest.raises(AccessTokenInvalid):
        verify_token(token, Secret("x?"), now=NOW)


@given(st.text(max_size=40))
def test_a_shortened_token_shows_eight_characters_at_most(text: str) -> None:
    shown = shorten_token(text)
    assert shown in (MASK, f"{text[:4]}...{text[-4:]}")
    assert len(text) >= 16 or shown == MASK


def test_a_manager_makes_tokens_that_only_its_secret_verifies() -> None:
    secret = Manager.generate_secret()
    assert re.fullmatch("[0-9a-f]{128}", secret)
    assert Manager.SECRET_LENGTH == 64
    token = Manager(secret).generate_access_token(identity="fran")
    payload = Manager(secret).verify_access_token(token)
    assert payload == accepted(token, secret)
    assert list(payload) == ["expires", "identity", "salt"]
    assert (payload["expires"], payload["identity"]) == (10, "fran")
    with pytest.raises(AccessTokenInvalid):
        Manager("the wrong secret").verify_access_token(token)


@pytest.mark.parametrize("token", [None, b"abc", 7, "", "some token I've just made up."])
def test_a_manager_raises_one_exception_whatever_is_wrong(token: object) -> None:
    with pytest.raises(AccessTokenInvalid):
        Manager("abc").verify_access_token(token)


def test_the_timeout_of_a_manager_is_the_expiry_of_its_tokens() -> None:
    now = NOW
    manager = Manager("abc", timeout=int(NOW) + 60, clock=lambda: now)
    token = manager.generate_access_token("bob")
    assert manager.verify_access_token(token)["expires"] == NOW + 60
    now += 60
    with pytest.raises(AccessTokenInvalid, match="expired"):
        manager.verify_access_token(token)
    with pytest.raises(AccessTokenInvalid, match="expired"):
        Manager("abc", 5).verify_access_token(Manager("abc", 5).generate_access_token("bob"))
