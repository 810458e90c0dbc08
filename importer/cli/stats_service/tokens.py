"""stats-token and tokenhelper: make, verify, list and revoke the access tokens of the stats service."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

from importer.cli.command import Parser, run_command
from importer.cli.stats_service import token_pairs
from importer.cli.stats_service.token_arguments import (
    STANDARD_INPUT,
    add_expiry,
    add_secret,
    add_username,
    chosen_expiry,
    given_secret,
    given_text,
    new_token_text,
)
from importer.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from importer.cli.command import SubCommands

_DESCRIPTION = """\
Make, verify, list and revoke the access tokens of the stats service. A secret given as
an argument shows in the process listing: - reads it from standard input."""
_EXAMPLE = """\
  stats-token create ali --access-json /etc/stats-service/access.json
  stats-token list --access-json /etc/stats-service/access.json
  stats-token make_for_username ali --expires-in 86400"""
_OLD_DESCRIPTION = """\
Make secrets and access tokens for the stats service, and print them. stats-token does
this too, and verifies, lists and revokes."""
_OLD_EXAMPLE = """\
  tokenhelper make_for_username ali
  tokenhelper make_access_token ali --secret-file secret.txt"""


class _TokenParser(Parser):
    """Does not show what it did not understand: it may be a secret."""

    def error(self, message: str) -> NoReturn:
        """End the process with one line that says what is wrong with the command line."""
        start, _, _ = message.partition("unrecognized arguments: ")
        super().error(message if start == message else "more arguments than expected, or an unknown option")


def stats_token(argv: Sequence[str] | None = None) -> int:
    """Run stats-token with argv (None: the process's arguments); return its exit code."""
    parser = _TokenParser("stats-token", _DESCRIPTION, example=_EXAMPLE)
    commands = _add_commands(parser)
    for adding in (_add_make_access_token, _add_make_for_username):
        add_expiry(adding(commands, "stats-token"))
    _add_verify(commands)
    token_pairs.add_commands(commands)
    return run_command(parser, _run, argv)


def tokenhelper(argv: Sequence[str] | None = None) -> int:
    """Run tokenhelper with argv (None: the process's arguments); return its exit code."""
    parser = _TokenParser("tokenhelper", _OLD_DESCRIPTION, example=_OLD_EXAMPLE)
    commands = _add_commands(parser)
    for adding in (_add_make_access_token, _add_make_for_username):
        adding(commands, "tokenhelper").set_defaults(expires_in=None)
    return run_command(parser, _run, argv)


def _run(options: argparse.Namespace) -> ExitCode:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names are in any script, terminals are not
    code: ExitCode = options.run(options)
    return code


def _add_commands(parser: Parser) -> "SubCommands":
    """Add what both commands have and needs no more than a name: help, and what makes a secret."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    helping = commands.add_parser(
        "help",
        help="show what a command does",
        description="Show what a command does, or which commands there are.",
        example=f"  {parser.prog} help make_access_token",
    )
    helping.add_argument("topic", nargs="?", metavar="COMMAND", help="the command to be explained")

    def show_help(options: argparse.Namespace) -> ExitCode:
        topic = getattr(options, "topic", None)
        if topic is not None and topic not in commands.choices:
            raise UsageError(f"there is no command {topic!r:.100}")
        (parser if topic is None else commands.choices[topic]).print_help()
        return ExitCode.OK

    parser.set_defaults(run=show_help)  # without a command too, as always
    helping.set_defaults(run=show_help)
    making = commands.add_parser(
        "make_access_secret",
        help="make a secret",
        description="Make a new secret, and print it.",
        example=f"  {parser.prog} make_access_secret",
    )
    making.set_defaults(run=_make_access_secret)
    return commands


def _add_make_access_token(commands: "SubCommands", command: str) -> Parser:
    parser = commands.add_parser(
        "make_access_token",
        help="make a token for a secret",
        description="Make a new token, signed with a secret that there is, and print it.",
        example=f"  {command} make_access_token ali --secret-file secret.txt",
    )
    add_username(parser)
    add_secret(parser, "ACCESS_SECRET")
    parser.set_defaults(run=_make_access_token)
    return parser


def _add_make_for_username(commands: "SubCommands", command: str) -> Parser:
    parser = commands.add_parser(
        "make_for_username",
        help="make a secret and a token",
        description="Make a new secret and a token signed with it, and print both.",
        example=f"  {command} make_for_username ali",
    )
    add_username(parser)
    parser.set_defaults(run=_make_for_username)
    return parser


def _add_verify(commands: "SubCommands") -> None:
    parser = commands.add_parser(
        "verify",
        help="see whether a token is valid",
        description="""\
Print what a token says, a JSON object, if it is signed with the secret and has not
expired; else say what is wrong, and end with 1.""",
        example="  stats-token verify - --secret-file secret.txt < token.txt",
    )
    parser.add_argument("token", metavar="TOKEN", help="the token; - reads standard input")
    add_secret(parser, "SECRET")
    parser.set_defaults(run=_verify)


def _make_access_secret(_options: argparse.Namespace) -> ExitCode:
    from importer.events.tokens.token import generate_secret

    print(f"New secret token is:\n\t{generate_secret().reveal()}")
    return ExitCode.OK


def _make_access_token(options: argparse.Namespace) -> ExitCode:
    from importer.events.tokens.token import generate_token

    token = generate_token(options.username, given_secret(options), expires=chosen_expiry(options))
    print(f"New access token is:\n\t{token.reveal()}")
    return ExitCode.OK


def _make_for_username(options: argparse.Namespace) -> ExitCode:
    from importer.events.tokens.token import generate_pair

    pair = generate_pair(options.username, expires=chosen_expiry(options))
    print(f"For username '{options.username}' the new token pair is:")
    print(new_token_text(pair.token))
    print(f"access secret is:\n\t{pair.secret.reveal()}")
    return ExitCode.OK


def _verify(options: argparse.Namespace) -> ExitCode:
    from importer.events.tokens.token import verify_token

    if options.token == options.secret == STANDARD_INPUT:
        raise UsageError("standard input holds the token or the secret, not both")
    secret = given_secret(options)
    claims = verify_token(given_text(options.token), secret, now=time.time())
    print(json.dumps(claims.payload))
    return ExitCode.OK
