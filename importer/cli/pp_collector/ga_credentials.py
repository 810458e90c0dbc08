"""generate-ga-credentials: files with which pp-collector can read Google Analytics."""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from importer.cli.command import Parser, run_command
from importer.errors import ExitCode, ImporterError, SourceRefused, UsageError

if TYPE_CHECKING:
    from importer.collector.ga_files import CredentialFiles

_DESCRIPTION = """\
Ask a Google user for leave to read Google Analytics, and write the files that pp-collector
logs in with: DIR/ga.json, which is what -c takes, and what that leads to."""
_EXAMPLE = """\
  generate-ga-credentials CLIENT_SECRET.json
  generate-ga-credentials CLIENT_SECRET.json --no-browser --port 8085
  generate-ga-credentials --service-account service-account.json --output /etc/pp-collector"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with argv (None: the process's arguments); return its exit code."""
    return run_command(build_parser(), _run, argv)


def build_parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser("generate-ga-credentials", _DESCRIPTION, example=_EXAMPLE)
    parser.add_argument(
        "client_secret", nargs="?", type=Path, metavar="CLIENT_SECRET.json", help="the application, as downloaded"
    )
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="port of the redirect (a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the link, start no browser")
    parser.add_argument(
        "--service-account", type=Path, metavar="FILE", help="write the file for this service account's key instead"
    )
    parser.add_argument("--output", type=Path, default=Path("creds"), metavar="DIR", help="where files go (./creds)")
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError("a port from 0 to 65535 is expected")
    return int(text)


def _run(options: argparse.Namespace) -> ExitCode:
    from importer.collector.ga_files import CredentialFiles  # on use: --help does without it

    if (options.client_secret is None) == (options.service_account is None):
        raise UsageError("give CLIENT_SECRET.json or --service-account: one of them")
    files = CredentialFiles(options.output)
    if options.service_account is not None:
        written = files.write_service_account(options.service_account, overwrite=options.force)
    else:
        written = _ask_user(options, files)
    for path in written:
        print(f"{path}: written")
    return ExitCode.OK


def _ask_user(options: argparse.Namespace, files: "CredentialFiles") -> list[Path]:
    from importer.collector.ga_consent import Consent, load_client_secret  # on use, as above
    from importer.collector.loopback_redirect import redirect_page

    client = load_client_secret(options.client_secret)
    if not options.force:
        files.check_absent()  # before anybody is asked
    consent = Consent(client)
    try:
        with redirect_page(port=options.port, state=consent.state) as page:
            _show(consent.link(page.address), may_open=not options.no_browser)
            redirect = page.wait()
    except KeyboardInterrupt as error:
        raise ImporterError("interrupted before there was a consent; nothing was written") from error
    if not redirect.code:
        raise SourceRefused("Google", f"there is no consent: {redirect.error}")
    storage = consent.exchange(redirect.code, page.address)
    return files.write_application(client.content, storage, overwrite=options.force)


def _show(link: str, *, may_open: bool) -> None:
    """Print the link, and open it where there is a screen: a browser of the terminal would hide it."""
    print(f"Open this link in a browser on this machine, and agree:\n\n  {link}\n", flush=True)
    if may_open and _has_screen(os.environ):
        import webbrowser

        webbrowser.open(link)


def _has_screen(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))
