"""stats-client: sends one event to the stats service, shows one, or asks whether the service is there."""

import argparse
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from importer.cli.command import Parser, run_command
from importer.errors import ConfigError, ExitCode, ImporterError, Problem, UsageError, one_line

if TYPE_CHECKING:
    from requests.exceptions import RequestException

    from importer.credentials import Secret
    from importer.events.client.analytics import Analytics

NAME = "stats-client"
DEFAULT_URL = "http://127.0.0.1:20080"
LOG_FORMAT = "%(asctime)s %(name)s %(levelname)s %(message)s"
_DESCRIPTION = """\
Send an event to the stats service and print its id; or show an event that was stored, or
ask the service whether it is there."""
_EXAMPLE = """\
  stats-client --ping --url http://stats.example.org:20080
  stats-client --access_token_file token --uid user-5 --event shop.view --data '{"items": 3}'
  stats-client --access_token_file token --get entry_4a42fcc243884bb58cb6d00759c2955d"""

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with argv (None: the process's arguments); return its exit code."""
    return run_command(_build_parser(), _run, argv)


def _build_parser() -> Parser:
    parser = Parser(NAME, _DESCRIPTION, example=_EXAMPLE)
    add = parser.add_argument
    add("--uid", default="test-id", metavar="TEXT", help="uid of the event, if the data has none (%(default)s)")
    add("--event", default="test.hello_world", metavar="TEXT", help="its kind, if the data has none (%(default)s)")
    add("--data", default="{}", metavar="JSON", help="the event, a JSON object (%(default)s)")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--ping", action="store_true", help="ask whether the service is there; needs no token")
    instead.add_argument("--get", metavar="ID", help="show the event of that id")
    token = parser.add_mutually_exclusive_group()
    token.add_argument("--access_token", metavar="TOKEN", help="the token; whoever lists processes sees it")
    token.add_argument("--access_token_file", type=Path, metavar="FILE", help="a file that holds the token")
    add("--url", default=DEFAULT_URL, metavar="URL", help="where the service is (%(default)s)")
    return parser


def _run(options: argparse.Namespace) -> ExitCode:
    from importer import logs  # on use: --help does without it

    logs.setup(NAME, directory=None, quiet=True, console_level=logging.INFO, console_format=LOG_FORMAT)
    if options.ping:
        return _ping(options)
    token = _token(options)
    if options.get is not None:
        return _get(options, token)
    return _log(options, token)


def _ping(options: argparse.Namespace) -> ExitCode:
    client = _client(options, disabled=True)  # which asks for no token
    _tell(f"ping check OK: {json.dumps(_asked(client.ping, 'ping check failed', client.base_uri))}")
    return ExitCode.OK


def _get(options: argparse.Namespace, token: "Secret") -> ExitCode:
    client = _client(options, access_token=token)
    event = _asked(lambda: client.get(options.get), f"event {options.get} cannot be shown", client.base_uri)
    _tell(json.dumps(event))
    return ExitCode.OK


def _log(options: argparse.Namespace, token: "Secret") -> ExitCode:
    event = {"uid": options.uid, "event": options.event, **_data(options.data)}
    event_id = _client(options, access_token=token, defer=False).log(event)
    if not event_id:  # why not is in the client's own log line
        return ExitCode.FAILED
    _tell(f"event_id {event_id}")
    return ExitCode.OK


def _client(options: argparse.Namespace, **config: object) -> "Analytics":
    from importer.events.client.analytics import (
        Analytics,  # on use: it imports requests, which takes a quarter of a second
    )
    from importer.http_request import base_url

    try:
        url = base_url(options.url)
    except ValueError as error:
        raise UsageError(f"argument --url: {error}") from error
    try:
        return Analytics({"url": url, **config})
    except ValueError as error:
        raise ImporterError(one_line(error)) from error


def _token(options: argparse.Namespace) -> "Secret":
    from importer.credentials import Secret
    from importer.stores import load_text

    path: Path | None = options.access_token_file
    if path is None:
        if not options.access_token:
            raise ImporterError("Please specify the --access_token to use.")
        return Secret(options.access_token)
    token = load_text(path).strip()
    if not token:
        raise ConfigError(Problem(path, "is empty; it has to hold the access token"))
    return Secret(token)


def _data(text: str) -> dict[str, object]:
    try:
        data: object = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ImporterError(f"--data is not JSON: {one_line(error)}") from error
    if not isinstance(data, dict):
        raise ImporterError("--data is not a JSON object")
    return data


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number that JSON has")


def _asked(question: Callable[[], dict[str, Any]], failure: str, url: str) -> dict[str, Any]:
    """Return what the service answers. Raises ImporterError, which says why it does not."""
    from requests.exceptions import RequestException

    try:
        return question()
    except RequestException as error:
        raise ImporterError(one_line(f"{failure}: {_reason(error, url)}")) from error


def _reason(error: "RequestException", url: str) -> str:
    from requests.exceptions import HTTPError, InvalidJSONError

    from importer.events.client.session import explain_failure, told

    if isinstance(error, HTTPError):
        return f"{url}: status {error.response.status_code}{told(error.response.content)}"
    if isinstance(error, InvalidJSONError):
        return f"{url}: the answer is no JSON object: something else listens there"
    return str(explain_failure(error, url))


def _tell(result: str) -> None:
    logger.info(result)
    print(result)
