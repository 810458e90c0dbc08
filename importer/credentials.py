"""Secrets that cannot be printed by accident, and their removal from whatever is printed on purpose."""

import base64
import hmac
import json
import threading
import urllib.parse
from collections.abc import Iterator
from typing import NoReturn

MASK = "***"
"""What stands in place of a secret."""

MIN_REDACTED_LENGTH = 4
"""Characters: masking anything shorter would blank out ordinary text, and no real secret is as short.

It must be greater than the length of MASK: each masking makes the text shorter, so masking comes to an end.
"""

KEPT_PASSING = 100
"""Secrets for a while that are masked: a process that runs for years gets new ones all the time."""


class Redactor:
    """Texts that must not be shown; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._passing: dict[str, set[str]] = {}
        self._longest_first: tuple[str, ...] | None = ()

    def register(self, text: str, *, is_passing: bool = False) -> None:
        """Mask text, and the forms it takes in URLs, JSON, `repr` and Basic authentication, from now on.

        One that is good for a while, such as a token, until KEPT_PASSING newer ones have come.
        """
        if len(text) < MIN_REDACTED_LENGTH:
            return
        forms = {form for form in _forms(text) if len(form) >= MIN_REDACTED_LENGTH}
        with self._lock:
            if is_passing:
                self._passing.pop(text, None)
                self._passing[text] = forms
                if len(self._passing) > KEPT_PASSING:
                    del self._passing[next(iter(self._passing))]
            elif forms <= self._known:
                return
            else:
                self._known |= forms
            self._longest_first = None

    def redact(self, text: str) -> str:
        """Return text with MASK for every registered secret; none of them is left in it."""
        known = self._ordered()
        found = True
        while found:  # what is left and right of a mask could make up another secret
            found = False
            for secret in known:
                if secret in text:
                    text = text.replace(secret, MASK)
                    found = True
        return text

    def _ordered(self) -> tuple[str, ...]:
        """Longest first: a secret that holds another one is masked whole."""
        with self._lock:
            if self._longest_first is None:
                known = self._known.union(*self._passing.values())
                self._longest_first = tuple(sorted(known, key=lambda form: (-len(form), form)))
            return self._longest_first


_redactor = Redactor()


def register(text: str, *, is_passing: bool = False) -> None:
    """Mask text wherever this process logs: for secrets that are part of something else, as in a proxy's URL.

    `is_passing` as of Redactor.register.
    """
    _redactor.register(text, is_passing=is_passing)


def redact(text: str) -> str:
    """Return text with `***` for every secret that this process knows of."""
    return _redactor.redact(text)


class Secret:
    """A password, token or key that shows itself only to who asks by name; logs mask it once it exists.

    Copying and pickling work (a worker process needs its credentials, and masks them as well); `json`,
    `dataclasses.asdict` and string formatting do not give the text away.

    >>> Secret("open sesame")
    ***
    >>> f"password={Secret('open sesame')}"
    'password=***'
    """

    __slots__ = ("_text",)
    _text: str

    def __init__(self, text: str, *, is_passing: bool = False) -> None:
        """`is_passing` is for one that is good for a while, as of Redactor.register."""
        object.__setattr__(self, "_text", text)
        register(text, is_passing=is_passing)

    def reveal(self) -> str:
        """Return the secret itself, for a request and for nothing else."""
        return self._text

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a secret does not change")

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self._text), _bytes(other._text))

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[type["Secret"], tuple[str]]:
        return Secret, (self._text,)


def _bytes(text: str) -> bytes:
    """Never fails: JSON can hold half a surrogate pair, which UTF-8 cannot."""
    return text.encode(errors="surrogatepass")


def _forms(text: str) -> Iterator[str]:
    data = _bytes(text)
    yield text
    yield urllib.parse.quote(data, safe="")
    yield urllib.parse.quote(data)
    yield urllib.parse.quote_plus(data)
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield repr(text)[1:-1]
    yield from _base64_forms(data)


def _base64_forms(data: bytes) -> Iterator[str]:
    """Yield what base64 makes of data wherever it begins in a longer text, as in `user:password`.

    Three bytes become four characters, so there are three ways to begin; characters that also depend on
    the neighbours are left out.
    """
    for shift, first_character in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(shift) + data).decode("ascii")
        form = encoded[first_character : (shift + len(data)) * 8 // 6]
        yield form
        yield form.replace("+", "-").replace("/", "_")
