"""Who asks Google, and for what: the content of the credentials file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from importer.collector.content import PATH_KEY, address
from importer.config import ObjectReader
from importer.handed_over import credential_path
from importer.proxies import read_proxies

APIS = ("ga4", "v3")


@dataclass(frozen=True, slots=True)
class Login:
    """What is given to log in with: an application's secrets and stored token, or the key of a service account."""

    client_secrets: Path | Mapping[str, object] | None = field(default=None, repr=False)
    """Google's download, as a file or an object with `installed` or `web`."""
    storage: Path | None = None
    """Where the token is stored, as JSON of oauth2client."""
    embedded: object = field(default=None, repr=False)
    """In place of `storage`: an object with the fields of such a file, or whose `get()` returns one."""
    account_name: str = ""
    private_key: Path | None = None
    """PEM or PKCS 12; belongs to account_name."""
    service_account: Path | None = None
    """A service account's JSON file."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account with Google Analytics."""

    login: Login
    url: str = ""
    """Base address in place of Google's; empty for Google's own."""
    api: str = ""
    """`ga4` or `v3` where the id alone does not decide."""
    properties: Mapping[str, str] = field(default_factory=dict)
    """Old view id, without `ga:` -> property."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Old name -> GA4 name, beside what is known."""
    proxies: Mapping[str, str] | None = field(default=None, repr=False)


def load_account(keys: ObjectReader) -> Account:
    """Return the account that a credentials file describes; raises ConfigError with all that is wrong."""
    keys.value(PATH_KEY)
    account = Account(
        _load_login(keys),
        url=address(keys, "url", ""),
        api=keys.choice("api", APIS, ""),
        properties=_load_properties(keys),
        names=keys.mapping_of_text("names", {}),
        proxies=read_proxies(keys),
    )
    keys.finish(refuse_unknown=False)
    return account


def _load_login(keys: ObjectReader) -> Login:
    if keys.value("SERVICE_ACCOUNT") is not None:
        return Login(service_account=credential_path(keys.text("SERVICE_ACCOUNT")))
    if keys.value("ACCOUNT_NAME") is not None:
        storage = keys.text("STORAGE_PATH", "")
        return Login(
            account_name=keys.text("ACCOUNT_NAME"),
            private_key=credential_path(keys.text("PRIVATE_KEY")),
            storage=Path(storage) if storage else None,
        )
    if keys.value("CLIENT_SECRETS") is None:
        keys.problem("", "tells no login; give CLIENT_SECRETS and STORAGE_PATH, or SERVICE_ACCOUNT")
        return Login()
    return _load_application(keys)


def _load_application(keys: ObjectReader) -> Login:
    secrets = keys.value("CLIENT_SECRETS")
    given = secrets if isinstance(secrets, Mapping) else credential_path(keys.text("CLIENT_SECRETS"))
    embedded = keys.value("OAUTH2_CREDENTIALS")
    if embedded is None:
        return Login(client_secrets=given, storage=Path(keys.text("STORAGE_PATH")))
    if not isinstance(embedded, Mapping) and not callable(getattr(embedded, "get", None)):
        keys.problem("OAUTH2_CREDENTIALS", "is neither an object with the fields of STORAGE_PATH nor one with get()")
    return Login(client_secrets=given, embedded=embedded)


def _load_properties(keys: ObjectReader) -> dict[str, str]:
    properties = keys.mapping_of_text("PROPERTIES", {})
    for view, text in properties.items():
        if not property_of(text):
            keys.problem(f"PROPERTIES.{view}", 'is not a property, such as "properties/123"')
    return {view.removeprefix("ga:"): property_of(text) for view, text in properties.items()}


def property_of(text: str) -> str:
    """Return a GA4 property's name; empty for what is none.

    >>> property_of("properties/123"), property_of("123"), property_of("ga:123")
    ('properties/123', 'properties/123', '')
    """
    number = text.removeprefix("properties/")
    return f"properties/{number}" if number.isascii() and number.isdigit() else ""
