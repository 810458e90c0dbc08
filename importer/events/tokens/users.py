"""Who may talk to the stats service: the users of access.json, or the one whose token the environment holds.

    [{"id": "user_1", "username": "ali", "name": "Ali", "tokens": [{"access_token": "...", "access_secret": "..."}]}]

Members that are not known here are the user's own. What is given twice counts as it was given last, as it always did.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from importer.config import ObjectReader
from importer.credentials import Secret
from importer.errors import ConfigError, Problem
from importer.events.tokens.token import AccessTokenInvalid, TokenPair, read_token, shorten_token
from importer.stores import Reloading, load_json

logger = logging.getLogger(__name__)

TOKEN_VARIABLE = "STATS_ACCESS_TOKEN"  # noqa: S105 - the name of a variable
LOOK_SECONDS = 1.0
"""How often a file of users is looked at."""
SECRET_VARIABLE = "STATS_ACCESS_SECRET"  # noqa: S105 - as above


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may talk to the service."""

    id: str
    username: str
    name: str = ""
    """For people; may be empty."""


ENVIRONMENT_USER = User("user_00ca4f6190b84f25827239233c4bcbaa", "statsbob", "Stats User")
"""Whoever has the token that the environment holds."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user with the tokens made for them."""

    user: User
    pairs: tuple[TokenPair, ...]


class Users:
    """The accounts of one moment, with the two look-ups that a request needs; does not change."""

    def __init__(self, accounts: Iterable[Account], *, anybody: User | None = None) -> None:
        """`anybody` stands for identities that no account has."""
        self.accounts = tuple(accounts)
        self._anybody = anybody
        self._secrets = {pair.token.reveal(): pair.secret for account in self.accounts for pair in account.pairs}
        by_name = {account.user.username: account.user for account in self.accounts}
        self._by_identity = by_name | {account.user.id: account.user for account in self.accounts}

    def secret_of(self, token: str) -> Secret | None:
        """Return the secret that a token must be signed with; None for one that was not made here, or is revoked."""
        return self._secrets.get(token)

    def find(self, identity: str) -> User | None:
        """Return the user with this id or, if nobody has it, with this name."""
        return self._by_identity.get(identity, self._anybody)


def load_users(path: Path) -> Users:
    """Return the users of a file, and log an error for each who cannot log in.

    Raises ConfigError as `parse_users` does, and for a file that `load_json` refuses.
    """
    users = parse_users(path, load_json(path))
    _log_useless(users, origin=path)
    return users


def parse_users(path: Path, content: object) -> Users:
    """Return the users that the content of an access.json tells; `path` is for messages, and for files named there.

    Raises ConfigError with every mistake: content that is no list, a user without id, username or list of tokens,
    a pair without its token or secret.
    """
    if not isinstance(content, list):
        raise ConfigError(Problem(path, 'is not a list of users, [{"id": ..., "username": ..., "tokens": [...]}]'))
    problems: list[Problem] = []
    accounts = [_parse_account(keys) for keys in _objects(content, path, "", problems)]
    if problems:
        raise ConfigError(problems)
    return Users(accounts)


def environment_users(environ: Mapping[str, str] = os.environ) -> Users | None:
    """Return the one user whose token and secret the environment holds; None unless both are there.

    Whatever identity that token has is this user.
    """
    token, secret = environ.get(TOKEN_VARIABLE, ""), environ.get(SECRET_VARIABLE, "")
    if not (token and secret):
        if token or secret:
            logger.warning("of %s and %s one is not set: neither counts", TOKEN_VARIABLE, SECRET_VARIABLE)
        return None
    account = Account(ENVIRONMENT_USER, (TokenPair(Secret(token), Secret(secret)),))
    users = Users([account], anybody=ENVIRONMENT_USER)
    _log_useless(users, origin=TOKEN_VARIABLE)
    return users


def follow_users(
    path: Path, *, environ: Mapping[str, str] = os.environ, look_seconds: float = LOOK_SECONDS
) -> Callable[[], Users]:
    """Return a function that gives the users of now: those of the file, read again when it changes.

    Where the environment holds a pair the file is not looked at. Raises ConfigError as `load_users` does; later on a
    file that is gone or wrong is logged, and the users stay.
    """
    users = environment_users(environ)
    return Reloading(path, load_users, look_seconds=look_seconds).get if users is None else lambda: users


def _objects(values: Sequence[object], file: Path, where: str, problems: list[Problem]) -> Iterator[ObjectReader]:
    """Yield a reader for each object of a list. What is none is not shown: it may be a token."""
    for number, value in enumerate(values, start=1):
        place = f"{where}[{number}]"
        if isinstance(value, dict):
            yield ObjectReader(file, value, where=f"{place}.", problems=problems)
        else:
            problems.append(Problem(file, "is not an object", key=place))


def _parse_account(keys: ObjectReader) -> Account:
    user = User(keys.text("id"), keys.text("username"), _optional_text(keys.value("name")))
    tokens = keys.value("tokens")
    if not isinstance(tokens, list):
        keys.problem("tokens", 'is not a list of pairs, [{"access_token": ..., "access_secret": ...}]')
        return Account(user, ())
    pairs = _objects(tokens, keys.file, f"{keys.where}tokens", keys.problems)
    return Account(user, tuple(TokenPair(pair.secret("access_token"), pair.secret("access_secret")) for pair in pairs))


def _optional_text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _log_useless(users: Users, *, origin: Path | str) -> None:
    for account in users.accounts:
        if not account.pairs:
            logger.error("user has no token and cannot log in user=%s file=%s", account.user.username, origin)
        for pair in account.pairs:
            try:
                read_token(pair.token.reveal(), pair.secret)
            except AccessTokenInvalid as error:
                token = shorten_token(pair.token.reveal())
                logger.error("%s user=%s token=%s file=%s", error, account.user.username, token, origin)
