"""Arguments that the token commands share, and how secrets come in without showing in a process listing."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from importer.errors import ConfigError, ImporterError, UsageError

if TYPE_CHECKING:
    from importer.cli.command import Parser
    from importer.credentials import Secret

MAX_USERNAME_LENGTH = 200
"""Characters; in any script such a name makes a token that is short enough to be accepted."""
MAX_INPUT_BYTES = 64 * 1024
"""Far more than a token or a secret has; a device given by mistake is not read for ever."""
STANDARD_INPUT = "-"
"""Given as an argument: read it from there."""


def username(text: str) -> str:
    """Return text if it can be the name of a user; raises argparse.ArgumentTypeError."""
    if not text or len(text) > MAX_USERNAME_LENGTH:
        raise argparse.ArgumentTypeError(f"a name has 1 to {MAX_USERNAME_LENGTH} characters")
    if not text.isprintable():  # which half characters, from bytes that are not UTF-8, are not either
        raise argparse.ArgumentTypeError("a name has printable characters alone")
    return text


def add_username(parser: "Parser") -> None:
    """Add the positional argument USERNAME."""
    parser.add_argument("username", type=username, metavar="USERNAME", help="who the token is for")


def add_expiry(parser: "Parser") -> None:
    """Add the option --expires-in."""
    parser.add_argument("--expires-in", type=_seconds, metavar="SECONDS", help="how long the token is valid (for ever)")


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text)):
        raise argparse.ArgumentTypeError("a whole number of 1 or more, of at most ten digits, is expected")
    return int(text)


def chosen_expiry(options: argparse.Namespace) -> float:
    """Return the `expires` of a new token, by --expires-in if that is given; raises ImporterError."""
    from importer.events.tokens.token import EXPIRES_NEVER, expiry_after

    if options.expires_in is None:
        return EXPIRES_NEVER
    try:
        return expiry_after(options.expires_in, now=time.time())
    except ValueError as error:
        raise ImporterError(f"the clock is wrong: {error}") from error


def add_secret(parser: "Parser", metavar: str) -> None:
    """Add the positional argument of a secret, and --secret-file."""
    parser.add_argument("secret", nargs="?", metavar=metavar, help="the secret; - reads standard input")
    parser.add_argument("--secret-file", type=Path, metavar="FILE", help="read the secret from this file instead")


def given_secret(options: argparse.Namespace) -> "Secret":
    """Return the secret of the command line, or of where that says that it is to be read.

    Raises UsageError unless it is given in one way, and ImporterError where it cannot be read.
    """
    from importer.credentials import Secret

    if (options.secret is None) == (options.secret_file is None):
        raise UsageError("give the secret, - to read standard input, or --secret-file: one of them")
    text = given_text(options.secret) if options.secret_file is None else _file_text(options.secret_file)
    if not text:
        raise UsageError("the secret is empty")
    return Secret(text)


def given_text(argument: str) -> str:
    """Return an argument, or where it is `-` what comes by standard input; raises ImporterError."""
    return _standard_input() if argument == STANDARD_INPUT else argument


def _standard_input() -> str:
    """One line end is dropped: `echo` adds it."""
    data = sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
    if len(data) > MAX_INPUT_BYTES:
        raise ImporterError(f"standard input holds more than {MAX_INPUT_BYTES} bytes")
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise ImporterError("standard input is not UTF-8 text") from error


def _file_text(path: Path) -> str:
    from importer.stores import load_text

    try:
        return load_text(path).removesuffix("\n")
    except ConfigError as error:  # no configuration: these commands fail with 1
        raise ImporterError(str(error)) from error


def new_token_text(token: "Secret") -> str:
    """Return how a new token is told: on a line of its own."""
    return f"access token is:\n\t{token.reveal()}"
