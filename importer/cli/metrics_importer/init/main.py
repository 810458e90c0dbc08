"""metrics-importer init: write a first configuration, for a vendor and a store, that the commands will take."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from importer.cli.metrics_importer.projects import chosen_projects
from importer.errors import ConfigError, ExitCode, UsageError

if TYPE_CHECKING:
    from importer.cli.command import SubCommands
    from importer.cli.metrics_importer.init.answers import Answers
    from importer.cli.metrics_importer.init.files import PlannedFile
    from importer.cli.metrics_importer.init.vendor import Content, Given, Vendor
    from importer.paths import DirectoryFinder

VENDORS = ("apteligent", "pingdom", "leexportpy", "cton", "cton-class", "pp-collector", "stats-service")

_DESCRIPTION = f"""\
Write the configuration files for a vendor ({", ".join(VENDORS)})
and a store. What no flag says is asked at a terminal. The files are tried by what the
commands read them with before they are put in place, all of them whole; a file that is
there is replaced with --force alone, and kept with .bak behind its name.

Secrets are typed at a terminal, or come from files: they are never part of a command
line. A typed one is put into a file of its own, which the configuration names.

Exit code: 0 written, 1 not written or (--online) something did not answer, 2 wrong usage."""
_EXAMPLE = """\
  metrics-importer init apteligent
  metrics-importer init pingdom --secret-file token=pingdom.token --store plain \\
    --set store.host=carbon.example.org --set store.port=2003"""


def add_command(commands: "SubCommands") -> None:
    """Add this command to metrics-importer."""
    parser = commands.add_parser("init", help="write a first configuration", description=_DESCRIPTION, example=_EXAMPLE)
    parser.add_argument("vendor", choices=VENDORS, metavar="VENDOR", help="whose figures are to be imported")
    parser.add_argument("--store", metavar="PROTOCOL", help="where they go, as protocol in graphite.json")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_pair,
        metavar="KEY=VALUE",
        help="answer a question; store.KEY is one of the store",
    )
    parser.add_argument(
        "--secret-file",
        action="append",
        default=[],
        type=_pair,
        metavar="KEY=FILE",
        help="where a secret is; - reads a line of standard input",
    )
    parser.add_argument("--config", type=Path, metavar="DIR", help="write here, not into the project's own directory")
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument("--online", action="store_true", help="then log in at the vendor and connect to the store")
    parser.set_defaults(run=run)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key or not value:
        raise argparse.ArgumentTypeError("is not KEY=VALUE")
    return key, value


def run(options: argparse.Namespace) -> ExitCode:
    """Write what the options and the answers make; raises ImporterError, and nothing is written then."""
    from importer.cli.metrics_importer.init.answers import Answers, terminal
    from importer.cli.metrics_importer.init.files import refuse_to_overwrite, write_all

    vendor = _vendor(options.vendor)
    if options.store is not None and options.store not in vendor.stores:
        raise UsageError(f"--store: {vendor.name} delivers to {', '.join(vendor.stores)}")
    finder = chosen_projects(vendor.project)[0].finder()
    directory = (options.config or _directory(finder)).absolute()
    if vendor.main_file:
        refuse_to_overwrite(directory, [vendor.main_file], force=options.force)
    answers = Answers(dict(options.set), dict(options.secret_file), terminal())
    given, secrets = _ask(vendor, answers, options, directory, finder)
    files = [*secrets, *vendor.build(given)]
    refuse_to_overwrite(directory, [file.name for file in files if not file.is_kept], force=options.force)
    try:
        written = write_all(directory, files)
    except ConfigError as error:  # it is the answers that are wrong, no file is
        raise UsageError(f"not written: {error}") from error
    _tell(written, given)
    _warn_of_unreadable([Path(path).absolute() for path in answers.secret_files.values() if path != "-"])
    code = _check(written, files, options)
    _tell_next_steps(vendor, given.values, directory, is_usual=directory == _directory(finder).absolute())
    return code


def _vendor(name: str) -> "Vendor":
    from importer.cli.metrics_importer.init.apteligent import APTELIGENT, PINGDOM
    from importer.cli.metrics_importer.init.cton import CTON, CTON_CLASS
    from importer.cli.metrics_importer.init.leexport import LEEXPORT
    from importer.cli.metrics_importer.init.pp_collector import PP_COLLECTOR
    from importer.cli.metrics_importer.init.stats_service import STATS_SERVICE

    vendors = (APTELIGENT, PINGDOM, LEEXPORT, CTON, CTON_CLASS, PP_COLLECTOR, STATS_SERVICE)
    return next(vendor for vendor in vendors if vendor.name == name)


def _directory(finder: "DirectoryFinder") -> Path:
    """Return the project's configuration directory, the last place of those that are looked at if there is none."""
    from importer.paths import Kind

    return finder.existing(Kind.CONFIG) or finder.candidates(Kind.CONFIG)[-1]


def _ask(
    vendor: "Vendor", answers: "Answers", options: argparse.Namespace, directory: Path, finder: "DirectoryFinder"
) -> "tuple[Given, list[PlannedFile]]":
    """Return all answers and the files of typed secrets; raises UsageError for what is missing or not known."""
    from importer.cli.metrics_importer.init.vendor import Given, ask_all, described_store

    if answers.person is not None:
        answers.person.tell(f"The files go to {directory}; Enter takes what stands in brackets.")
    values, secrets = ask_all(vendor.questions, answers, prefix=vendor.name)
    prefix = str(values.get("slug", vendor.name))
    more, more_secrets = ask_all(vendor.more(values, answers), answers, prefix=prefix)
    values |= more
    state = finder.existing_state() or directory
    there = described_store(vendor, directory)
    if there and answers.person is not None and not options.force:
        answers.person.tell(f"The store is what {there} says.")
    protocol = options.store or _protocol(vendor, answers, values, there=there, force=options.force)
    description, store_secrets = _ask_store(vendor, answers, protocol, state=state)
    answers.finish()
    given = Given(values, description, state, directory)
    return given, [*secrets, *more_secrets, *store_secrets]


def _ask_store(
    vendor: "Vendor", answers: "Answers", protocol: str | None, *, state: Path
) -> "tuple[dict[str, object] | None, list[PlannedFile]]":
    """Return the description of the store, and the files of its typed secrets; None where there is to be none."""
    from importer.cli.metrics_importer.init.files import PlannedFile
    from importer.cli.metrics_importer.init.store import StoreQuestions

    if protocol is None:
        return None, []
    secret_file = f"{vendor.name}-store-{{key}}"
    questions = StoreQuestions(protocol, answers.of_store(), state=state, secret_file=secret_file)
    description = questions.ask()
    secrets = [(name, secret) for name, secret in questions.secrets.items() if name in description.values()]
    return description, [PlannedFile(name, f"{secret.reveal()}\n", is_secret=True) for name, secret in secrets]


def _protocol(vendor: "Vendor", answers: "Answers", values: "Content", *, there: str, force: bool) -> str | None:
    """Return the protocol of the store where no flag says it; None to keep the file of the store that is there."""
    from importer.cli.metrics_importer.init.answers import Question

    if there and (answers.person is None or not force):
        return None
    default = None if there else vendor.default_store(values)
    what = f"store, or Enter to keep {there}" if there else "store"
    if answers.person is not None:
        question = Question("store", what, default=default, is_optional=default is None, choices=vendor.stores)
        chosen = answers.value(question)
        return None if chosen is None else str(chosen)
    if default is not None:
        answers.missing.append("--store PROTOCOL")
    return None


def _tell(written: "Sequence[Path]", given: "Given") -> None:
    for path in written:
        print(f"written {path}")
    for note in given.notes:
        print(note)


def _warn_of_unreadable(secrets: "Sequence[Path]") -> None:
    from importer.cli.metrics_importer.init.files import SERVICE, unreadable

    for path in unreadable(secrets):
        what = f"the user {SERVICE} cannot read it, and the services run as that one; KEY=- takes a copy"
        print(f"metrics-importer: warning: {path}: {what}", file=sys.stderr)


def _check(written: "Sequence[Path]", files: "Sequence[PlannedFile]", options: argparse.Namespace) -> ExitCode:
    """Let `metrics-importer check` have its say about what was written."""
    from importer.cli.metrics_importer import check

    known = [path for path in written if any(file.is_known and path.match(file.name) for file in files)]
    return check.run(argparse.Namespace(files=known, project=None, online=options.online))


def _tell_next_steps(vendor: "Vendor", values: "Content", directory: Path, *, is_usual: bool) -> None:
    place = shlex.quote(str(directory))
    environment = "" if is_usual else f"CONFIG_DIR={place} "
    print("next:")
    for line in vendor.next_steps(values):
        if not is_usual and "systemctl" in line:
            continue  # the units read the usual directory
        print(f"  {line.replace('{directory}', place).replace('{environment}', environment)}")
