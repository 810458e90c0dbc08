"""The keys of a config-only service that say what is asked, of whom, and with which credentials."""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from importer.config import ObjectReader
from importer.credentials import Secret
from importer.errors import Problem, TransportError
from importer.exporter.exchange import Caller
from importer.exporter.json_api.oauth import ClientCredentials, Tokens
from importer.exporter.json_api.placeholders import Placeholders
from importer.exporter.json_api.request import RequestRule
from importer.http_client import HttpClient
from importer.http_request import build_request, split_url
from importer.proxies import read_proxies

DEFAULT_TIMEOUT_SECONDS = 30.0
MAX_TIMEOUT_SECONDS = 1000000
METHODS = ("GET", "POST", "PUT", "PATCH")
"""The first is the default, the second with a body."""

_AUTHENTICATIONS = ("oauth2", "basic_auth", "bearer_token")


@dataclass(frozen=True, slots=True)
class Connection:
    """The two hosts that a service may speak with, and what it asks of the first."""

    rule: RequestRule
    caller: Caller
    tokens: Tokens | None


class RequestReader:
    """Reads these keys of one service; mistakes are added to the reader's problems."""

    def __init__(self, keys: ObjectReader, *, environ: Mapping[str, str], stop: threading.Event) -> None:
        self._keys = keys
        self._environ = environ
        self._stop = stop
        self._placeholders = Placeholders(keys, environ)
        self._timeout_seconds = self._timeout()
        self._proxies = read_proxies(keys)

    def read(self) -> Connection | None:
        """Return the connection, or None if the address is no address."""
        statuses = self._statuses()
        address = self._placed_address("api_url")
        body = self._body()
        headers = {**({} if body is None else {"Content-Type": body[0]}), **self._headers()}
        rule = RequestRule(
            self._keys.choice("method", METHODS, METHODS[0 if body is None else 1]),
            address[1] if address else "/",
            self._params(),
            headers,
            None if body is None else body[1],
            self._basic(),
            self._keys.secret("bearer_token", None, environ=self._environ),
        )
        self._check_authentication(rule.headers)
        self._check_headers(rule)
        tokens = self._tokens()
        if address is None:
            return None
        return Connection(rule, self._caller(address[0], statuses), tokens)

    def _timeout(self) -> float:
        before = len(self._keys.problems)
        seconds = self._keys.number("timeout", DEFAULT_TIMEOUT_SECONDS)
        if 0 < seconds <= MAX_TIMEOUT_SECONDS:
            return seconds
        if len(self._keys.problems) == before:
            self._keys.problem("timeout", f"{seconds} seconds are not above 0, or more than {MAX_TIMEOUT_SECONDS}")
        return DEFAULT_TIMEOUT_SECONDS

    def _placed_address(self, key: str) -> tuple[str, str] | None:
        """Return the base and the path of an address; what replaces placeholders of its query is quoted."""
        text = self._keys.text(key)
        address, mark, query = text.partition("?")
        whole = self._placeholders.replaced(key, address) + mark
        whole += self._placeholders.replaced(key, query, quote=lambda value: quote(value, safe=""))
        return _address(self._keys, key, whole) if text else None

    def _caller(self, base: str, statuses: Sequence[int] = ()) -> Caller:
        client = HttpClient(base, timeout_seconds=self._timeout_seconds, proxies=self._proxies, stop=self._stop)
        return Caller(client, valid_statuses=statuses)

    def _statuses(self) -> tuple[int, ...]:
        value = self._keys.value("valid_status_codes")
        if value is None:
            return ()
        statuses = [item for item in value if _is_status(item)] if isinstance(value, list) else []
        if not isinstance(value, list) or not statuses or len(statuses) < len(value):
            self._keys.problem("valid_status_codes", "is not a list of HTTP status codes, such as [200, 404]")
        return tuple(statuses)

    def _headers(self) -> dict[str, str]:
        given = self._keys.mapping_of_text("headers", {})
        headers = {name: self._placeholders.replaced(f"headers.{name}", text) for name, text in given.items()}
        files = self._keys.mapping_of_text("header_files", {})
        headers |= {name: self._header_from(name, file) for name, file in files.items()}
        for name in set(given) & set(files):
            self._keys.problem(f"headers.{name}", "is given, and in header_files too: keep one of them")
        return headers

    def _header_from(self, name: str, file: str) -> str:
        problems: list[Problem] = []
        twin = f"{name}_file"
        where = f"{self._keys.where}header_files."
        reader = ObjectReader(self._keys.file, {twin: file}, where=where, problems=problems)
        secret = reader.secret(name, environ=self._environ)
        self._keys.problems += [replace(problem, key=f"{where}{name}") for problem in problems]
        return secret.reveal()

    def _params(self) -> dict[str, tuple[str, ...]]:
        given = self._keys.value("params")
        if given is None:
            return {}
        if not isinstance(given, dict):
            self._keys.problem("params", "is not an object of texts, numbers, truth values, and lists of them")
            return {}
        return {name: self._parameter(f"params.{name}", value) for name, value in given.items()}

    def _parameter(self, key: str, value: object) -> tuple[str, ...]:
        values = value if isinstance(value, list) else [value]
        if any(item is None or isinstance(item, list | dict) for item in values):
            self._keys.problem(key, "is neither text, a number, a truth value, nor a list of them")
            return ()
        texts = [item if isinstance(item, str) else json.dumps(item) for item in values]
        return tuple(self._placeholders.replaced(key, text) for text in texts)

    def _body(self) -> tuple[str, bytes] | None:
        """Return the media type and the bytes: of text those of JSON, if it is that."""
        value = self._keys.value("body")
        if value is None:
            return None
        placed = self._placeholders.replaced_within("body", value)
        if not isinstance(placed, str):
            return "application/json", json.dumps(placed, ensure_ascii=False).encode()
        return "application/json" if _is_json(placed) else "text/plain; charset=utf-8", placed.encode()

    def _basic(self) -> tuple[str, Secret] | None:
        if self._keys.value("basic_auth") is None:
            return None
        keys = self._keys.child("basic_auth")
        basic = keys.text("username"), keys.secret("password", environ=self._environ)
        keys.refuse_unknown()
        return basic

    def _tokens(self) -> Tokens | None:
        if self._keys.value("oauth2") is None:
            return None
        keys = self._keys.child("oauth2")
        text = keys.text("token_url")
        address = _address(keys, "token_url", text) if text else None
        credentials = ClientCredentials(
            keys.text("client_id"),
            keys.secret("client_secret", environ=self._environ),
            address[1] if address else "/",
            keys.texts("scopes", ()),
            keys.mapping_of_text("endpoint_params", {}),
        )
        keys.refuse_unknown()
        return Tokens(credentials, self._caller(address[0])) if address else None

    def _check_authentication(self, headers: Mapping[str, str]) -> None:
        twins = [*_AUTHENTICATIONS, "bearer_token_file"]
        given = [key for key in twins if self._keys.value(key) is not None]
        ways = list(dict.fromkeys(key.removesuffix("_file") for key in given))
        if len(ways) > 1:
            self._keys.problem(ways[1], f"is given, and {ways[0]} too: keep one of them")
        elif ways and "authorization" in [name.lower() for name in headers]:
            self._keys.problem(ways[0], "is given, and a header Authorization too: keep one of them")

    def _check_headers(self, rule: RequestRule) -> None:
        """Refuse what cannot be sent, before each poll would fail for it."""
        fields = [(f"headers.{name}", name, text) for name, text in rule.headers.items()]
        if rule.bearer is not None:
            fields.append(("bearer_token", "Authorization", f"Bearer {rule.bearer.reveal()}"))
        for key, name, text in fields:
            try:
                build_request("GET", "/", content=None, headers={name: text}, basic=None, bearer=None)
            except TransportError as error:
                self._keys.problem(key, error.reason)


def _address(keys: ObjectReader, key: str, text: str) -> tuple[str, str] | None:
    try:
        return split_url(text)
    except ValueError as error:
        keys.problem(key, f"is {error}" if str(error).startswith("not ") else str(error))
    return None


def _is_status(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
