"""stats-token create, list, revoke: the tokens in the users file of the stats service."""

import argparse
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from importer.cli.stats_service.token_arguments import (
    add_expiry,
    add_username,
    chosen_expiry,
    given_text,
    new_token_text,
)
from importer.cli.text_table import NOTHING, count_of, format_table, format_time
from importer.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from importer.cli.command import Parser, SubCommands
    from importer.events.tokens.token import TokenPair
    from importer.events.tokens.users import Account, Users

_FILE = "/etc/stats-service/access.json"
_CREATE = """\
Make a secret and a token, put them into a users file, and print the token. A user who is
not in the file is added; a file that does not exist is made, for its owner alone or, by
root, for the group of its directory too."""
_LIST = """\
Show the users of a file: the first and last four characters of each of their tokens, and
when it expires (UTC), or why it does not let them in."""
_REVOKE = """\
Take a token out of a users file; the service notices, and refuses it from then on. The
ends that `list` shows will do where no other token has the same."""
_LAST_TIME = 253_402_300_799
"""The last second of the year 9999, after which a date has no usual form."""


def add_commands(commands: "SubCommands") -> None:
    """Add these commands to stats-token."""
    creating = commands.add_parser(
        "create",
        help="give a user of a file a new token",
        description=_CREATE,
        example=f"  stats-token create ali --access-json {_FILE}",
    )
    add_username(creating)
    add_expiry(creating)
    _add_file(creating)
    creating.set_defaults(run=create)
    listing = commands.add_parser(
        "list",
        help="show the users and tokens of a file",
        description=_LIST,
        example=f"  stats-token list --access-json {_FILE}",
    )
    _add_file(listing)
    listing.set_defaults(run=show)
    revoking = commands.add_parser(
        "revoke",
        help="take a token out of a file",
        description=_REVOKE,
        example=f"  stats-token revoke eyJl...qQ8= --access-json {_FILE}\n"
        f"  stats-token revoke --all --user ali --access-json {_FILE}",
    )
    revoking.add_argument("token", nargs="?", metavar="TOKEN", help="the token or its ends; - reads standard input")
    revoking.add_argument("--all", action="store_true", help="all tokens of --user")
    revoking.add_argument("--user", metavar="NAME", help="only tokens of this user, a name or an id")
    _add_file(revoking)
    revoking.set_defaults(run=revoke)


def _add_file(parser: "Parser") -> None:
    parser.add_argument("--access-json", type=Path, required=True, metavar="FILE", help="the users file")


def create(options: argparse.Namespace) -> ExitCode:
    """Give the named user a new pair."""
    from importer.cli.stats_service.access_file import editing
    from importer.events.tokens.token import generate_pair

    pair = generate_pair(options.username, expires=chosen_expiry(options))
    was_open = _is_open_to_all(options.access_json)
    with editing(options.access_json, make=True) as document:
        document.add(options.username, pair)
    if was_open:
        _tell_closed(options.access_json)
    print(f"{options.access_json} written for username '{options.username}'.")
    print(new_token_text(pair.token))
    return ExitCode.OK


def show(options: argparse.Namespace, *, now: float | None = None) -> ExitCode:
    """List users and tokens; `now` is in seconds since 1970 UTC."""
    from importer.cli.stats_service.access_file import AccessDocument

    moment = time.time() if now is None else now
    users = AccessDocument.load(options.access_json).users
    rows = [row for account in users.accounts for row in _rows(account, users, moment)]
    print(format_table(["USERNAME", "ID", "TOKEN", "EXPIRES"], rows) if rows else "There are no users.")
    return ExitCode.OK


def _rows(account: "Account", users: "Users", now: float) -> list[list[str]]:
    from importer.events.tokens.token import shorten_token

    user = account.user
    if not account.pairs:
        return [[user.username, user.id, NOTHING, "has no token"]]
    return [
        [user.username, user.id, shorten_token(pair.token.reveal()), _expiry(pair, users, now)]
        for pair in account.pairs
    ]


def _expiry(pair: "TokenPair", users: "Users", now: float) -> str:
    """Return when a token expires, or why it does not let anybody in."""
    from importer.events.tokens.token import AccessTokenInvalid, read_token

    try:
        claims = read_token(pair.token.reveal(), pair.secret)
    except AccessTokenInvalid as error:
        return f"invalid: {error.reason}"
    if users.find(claims.identity) is None:
        return f"invalid: there is no user {claims.identity}"
    if claims.expires_at <= now:
        return f"expired {format_time(claims.expires_at)}" if claims.expires_at > 0 else "expired"
    return format_time(claims.expires_at) if claims.expires_at <= _LAST_TIME else "never"


def revoke(options: argparse.Namespace) -> ExitCode:
    """Take the named token, or all of a user, out of the file."""
    from importer.cli.stats_service.access_file import editing
    from importer.events.tokens.token import shorten_token

    if (options.token is not None) == options.all or (options.all and options.user is None):
        raise UsageError("give a TOKEN, or --all with --user")
    wanted = None if options.all else given_text(options.token)
    was_open = _is_open_to_all(options.access_json)
    with editing(options.access_json) as document:
        tokens = _chosen(document.users, options, wanted)
        document.remove(tokens)
    if was_open:
        _tell_closed(options.access_json)
    print(f"{count_of(len(tokens), 'token')} revoked: {', '.join(map(shorten_token, tokens))}")
    return ExitCode.OK


def _chosen(users: "Users", options: argparse.Namespace, wanted: str | None) -> list[str]:
    """Return the tokens to be revoked; `wanted` is one of them, or its ends, and None means all."""
    from importer.cli.stats_service.access_file import AccessFileError
    from importer.events.tokens.token import shorten_token

    owned = [
        pair.token.reveal()
        for account in users.accounts
        if options.user in (None, account.user.username, account.user.id)
        for pair in account.pairs
    ]
    tokens = [token for token in dict.fromkeys(owned) if wanted in (None, token, shorten_token(token))]
    if not tokens:
        whose = "" if options.user is None else f" of user {options.user}"
        raise AccessFileError(options.access_json, f"has no such token{whose}")
    if wanted is not None and len(tokens) > 1:
        raise UsageError(f"{len(tokens)} tokens look like {wanted}: give the whole token, or narrow it by --user")
    return tokens


def _is_open_to_all(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & stat.S_IRWXO)


def _tell_closed(path: Path) -> None:
    """Old tools left these files readable by all: a service that relies on that needs to be told."""
    print(f"stats-token: warning: {path} was open to all users, and is so no longer", file=sys.stderr)
