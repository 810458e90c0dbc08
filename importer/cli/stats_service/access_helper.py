"""accesshelper: a users file for the stats service with one user, for its first start."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from importer.cli.command import Parser, run_command
from importer.cli.stats_service.token_arguments import new_token_text, username
from importer.errors import ExitCode

NAME = "accesshelper"
_DESCRIPTION = """\
Make a users file for the stats service, with one user who has one access token, and
print the token. The file is for its owner alone or, made by root, for the group of its
directory too; one that exists is left as it is."""
_EXAMPLE = """\
  accesshelper --access_json /etc/stats-service/access.json
  accesshelper -u ali --access_json access.json --force"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run accesshelper with argv (None: the process's arguments); return its exit code."""
    parser = Parser(NAME, _DESCRIPTION, example=_EXAMPLE)
    parser.add_argument(
        "-u", "--username", type=username, default="statsbob", metavar="NAME", help="who the token is for (statsbob)"
    )
    parser.add_argument(
        "--access_json",
        "--access-json",
        type=Path,
        default=Path("/data/access.json"),
        metavar="FILE",
        help="the file to make (/data/access.json)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite a file that exists")
    return run_command(parser, _run, argv)


def _run(options: argparse.Namespace) -> ExitCode:
    from importer.cli.stats_service.access_file import AccessDocument, write_new  # on use: --help does without them
    from importer.events.tokens.token import generate_pair

    pair = generate_pair(options.username)
    document = AccessDocument(options.access_json, [])
    document.add(options.username, pair)
    write_new(options.access_json, document, overwrite=options.force)
    print(f"{options.access_json} written for username '{options.username}'.")
    print(new_token_text(pair.token))
    return ExitCode.OK
