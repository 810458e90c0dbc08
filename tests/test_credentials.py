"""Secrets do not show themselves, and are masked in whatever form they show up."""

import base64
import copy
import dataclasses
import json
import pickle
import threading
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer import credentials
from importer.credentials import KEPT_PASSING, MASK, MIN_REDACTED_LENGTH, Redactor, Secret, redact, register


@pytest.fixture(autouse=True)
def redactor(monkeypatch: pytest.MonkeyPatch) -> Redactor:
    """Keep the made-up secrets of one test out of the logs of the others."""
    fresh = Redactor()
    monkeypatch.setattr(credentials, "_redactor", fresh)
    return fresh


def test_a_secret_gives_its_text_to_who_asks_for_it() -> None:
    assert Secret("open sesame").reveal() == "open sesame"


@dataclasses.dataclass(frozen=True)
class Settings:
    user: str
    password: Secret


def test_no_way_of_printing_shows_a_secret() -> None:
    settings = Settings("ali", Secret("open sesame"))
    shown = [str(settings.password), repr(settings), f"{settings.password}", "%s %r" % ((settings.password,) * 2)]
    shown += [str(dataclasses.asdict(settings)), str(vars(settings)), str([settings.password])]
    assert all("sesame" not in text and MASK in text for text in shown)


def test_a_secret_cannot_be_put_into_json() -> None:
    with pytest.raises(TypeError):
        json.dumps({"password": Secret("open sesame")})


def test_a_secret_does_not_change() -> None:
    secret = Secret("open sesame")
    with pytest.raises(AttributeError):
        secret._text = "shut"
    with pytest.raises(AttributeError):
        del secret._text
    with pytest.raises(AttributeError):
        secret.other = "shut"  # type: ignore[attr-defined]
    assert secret.reveal() == "open sesame"


def test_secrets_of_the_same_text_are_equal_and_nothing_else_is() -> None:
    assert Secret("Señor") == Secret("Señor")
    assert hash(Secret("Señor")) == hash(Secret("Señor"))
    assert Secret("Señor") != Secret("Senor")
    assert Secret("Señor") != "Señor"


def test_half_a_character_is_no_trouble() -> None:
    assert Secret("pass\ud800word") == Secret("pass\ud800word")
    assert redact("a pass\ud800word") == "a ***"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda secret: pickle.loads(pickle.dumps(secret))])
def test_a_copied_secret_is_still_one(duplicate) -> None:
    copied = duplicate(Secret("open sesame"))
    assert copied.reveal() == "open sesame"
    assert repr(copied) == MASK


def test_a_secret_that_reaches_another_process_is_masked_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pickled = pickle.dumps(Secret("open sesame"))
    monkeypatch.setattr(credentials, "_redactor", Redactor())
    assert redact("open sesame") == "open sesame"
    pickle.loads(pickled)
    assert redact("open sesame") == MASK


def test_a_secret_is_masked_once_it_exists() -> None:
    assert redact("say open sesame!") == "say open sesame!"
    Secret("open sesame")
    assert redact("say open sesame!") == "say ***!"


def test_part_of_an_address_can_be_masked() -> None:
    register("hunter2")
    assert redact("http://me:hunter2@proxy.example:3128") == "http://me:***@proxy.example:3128"


def test_short_secrets_do_not_blank_out_ordinary_text() -> None:
    for short in ("", "a", "in", "ing"):
        Secret(short)
    assert redact("a missing thing in it") == "a missing thing in it"


@pytest.mark.parametrize(
    "form",
    [
        urllib.parse.quote('p&ss wörd/"1"', safe=""),
        urllib.parse.quote('p&ss wörd/"1"'),
        urllib.parse.quote_plus('p&ss wörd/"1"'),
        urllib.parse.urlencode({"password": 'p&ss wörd/"1"'}),
        json.dumps('p&ss wörd/"1"'),
        json.dumps('p&ss wörd/"1"', ensure_ascii=False),
        repr('p&ss wörd/"1"'),
    ],
)
def test_the_forms_of_a_secret_are_masked(form: str) -> None:
    Secret('p&ss wörd/"1"')
    shown = redact(f"<{form}>")
    assert MASK in shown
    assert "ss" not in shown.replace("password", "")


def test_longer_secrets_are_masked_before_the_ones_they_hold() -> None:
    Secret("sesame")
    Secret("open sesame")
    assert redact("open sesame") == MASK


def test_a_secret_that_a_mask_completes_is_masked_too() -> None:
    Secret("cdef")
    Secret("ab***")
    assert redact("abcdef") == MASK


def test_a_secret_shown_by_repr_is_masked() -> None:
    Secret("bell\x07's")
    assert redact(repr(["bell\x07's"])) == '["***"]'


@given(user=st.text(max_size=8), password=st.text(max_size=8), secret=st.text(min_size=6, max_size=40))
def test_a_secret_in_basic_authentication_is_masked(user: str, password: str, secret: str) -> None:
    redactor = Redactor()
    redactor.register(secret)
    for pair in (f"{user}:{secret}", f"{secret}:{password}", f"{secret}:"):
        encoded = base64.b64encode(pair.encode()).decode()
        shown = redactor.redact(f"Authorization: Basic {encoded}")
        assert MASK in shown
        assert encoded not in shown


PIECES = st.text(st.sampled_from("ab*%/\\\"'\n é😀"), max_size=12)


@given(secrets=st.lists(PIECES, max_size=5), around=st.lists(PIECES, max_size=6), data=st.data())
def test_no_registered_secret_is_left_whatever_surrounds_it(
    secrets: list[str], around: list[str], data: st.DataObject
) -> None:
    redactor = Redactor()
    for secret in secrets:
        redactor.register(secret)
    text = "".join(data.draw(st.permutations(secrets + around)))
    shown = redactor.redact(text)
    assert not [secret for secret in secrets if len(secret) >= MIN_REDACTED_LENGTH and secret in shown]


@given(st.text())
def test_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert Redactor().redact(text) == text


def test_threads_may_register_while_others_redact(redactor: Redactor) -> None:
    begin = threading.Barrier(5)
    left: list[str] = []

    def work(name: int) -> None:
        begin.wait()
        for number in range(40):
            text = f"secret-{name}-{number}-"
            register(text)
            if text in redact(text):
                left.append(text)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    begin.wait()
    for thread in threads:
        thread.join()
    assert not left


def test_secrets_for_a_while_are_masked_until_enough_newer_ones_have_come(redactor: Redactor) -> None:
    Secret("lasting-secret")
    tokens = [Secret(f"token-{number}", is_passing=True).reveal() for number in range(KEPT_PASSING + 1)]
    assert [redact(text) for text in ("lasting-secret", tokens[0], tokens[1], tokens[-1])] == [
        MASK,
        tokens[0],
        MASK,
        MASK,
    ]


def test_a_secret_for_a_while_that_comes_again_is_one_of_the_newest(redactor: Redactor) -> None:
    for text in ("again", *(f"token-{number}" for number in range(KEPT_PASSING - 1)), "again", "newest"):
        register(text, is_passing=True)
    assert redact("again") == MASK
    assert redact("token-0") == "token-0"
