"""What the main function of every command does: end with the right number and one line about what was wrong."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from importer import __version__
from importer.errors import ExitCode, ImporterError, UsageError, one_line

logger = logging.getLogger(__name__)


class Parser(argparse.ArgumentParser):
    """argparse with our version, and text that keeps its lines; its sub-commands are parsers of the same kind."""

    def __init__(self, prog: str, description: str, *, example: str, **_newer: object) -> None:
        """`_newer` is what later versions of argparse hand on to sub-commands beside their name."""
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"example:\n{example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
        self.add_argument(
            "--debug",
            action="store_true",
            default=argparse.SUPPRESS,  # a sub-command's default would undo what stood before its name
            help="show a traceback when the command fails",
        )
        self.set_defaults(parser=self)

    def error(self, message: str) -> NoReturn:
        """End the process with one line that says what is wrong with the command line."""
        self.exit(ExitCode.USAGE, f"{self.prog}: {one_line(message)} (see {self.prog} --help)\n")


class UsageFirstParser(Parser):
    """Shows the usage before what is wrong with a command line, as old commands did."""

    def error(self, message: str) -> NoReturn:
        """End the process with the usage and one line."""
        self.print_usage(sys.stderr)
        super().error(message)


if TYPE_CHECKING:
    SubCommands = argparse._SubParsersAction[Parser]
    """What `add_subparsers` of a Parser returns."""


def run_command(
    parser: Parser, command: Callable[[argparse.Namespace], ExitCode], argv: Sequence[str] | None = None
) -> int:
    """Parse argv (None: the process's), run the command and return its exit code.

    What the command raises on purpose becomes a line on standard error; a traceback is shown only with --debug.
    """
    _open_closed_streams()
    options = parser.parse_args(argv, argparse.Namespace(debug=False))
    try:
        code = command(options)
        sys.stdout.flush()  # the interpreter's own flush comes too late for us to say that it failed
        return code
    except UsageError as error:
        chosen: Parser = options.parser
        chosen.error(str(error))
    except ImporterError as error:
        if options.debug:
            raise
        tell(parser.prog, error)
        return error.exit_code
    except BrokenPipeError:  # the reader of our output has seen enough
        _drop_output()
        return ExitCode.OK
    except KeyboardInterrupt:
        return ExitCode.OK
    except OSError as error:  # what is not converted to an error of ours: of standard output, mostly
        if options.debug:
            raise
        _drop_output()
        _print_line(f"{parser.prog}: {one_line(error)}")
        return ExitCode.FAILED
    except Exception as error:
        if options.debug:
            raise
        logger.info("a fault of its own", exc_info=True)
        _print_line(f"{parser.prog}: a fault of its own: {type(error).__name__}: {one_line(error)} (see --debug)")
        return ExitCode.FAILED
    finally:
        _close_logs()


def tell(name: str, error: ImporterError | str) -> None:
    """Print what is wrong on standard error: a line each for the mistakes in configuration files, else one line."""
    for line in error.lines if isinstance(error, ImporterError) else [error]:
        _print_line(f"{name}: {line}")


def _open_closed_streams() -> None:
    """Let standard streams that the caller has closed (`2>&-`) lead nowhere.

    Otherwise the next file or socket would get their number, and what is printed would end up in it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for the process's life


def _drop_output() -> None:
    """Keep the interpreter from trying once more to write what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_line(text: str) -> None:
    from importer.credentials import redact  # on use: --help does without it

    print(redact(text), file=sys.stderr)


def _close_logs() -> None:
    from importer import logs  # on use, as above

    logs.teardown()
