"""How the stats service logs: as the INI file says, by Python's logging.config, else to standard error."""

import logging
import logging.config
from collections.abc import Iterable, Iterator, Mapping
from configparser import RawConfigParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from importer import logs
from importer.errors import ConfigError, Problem, one_line
from importer.events.settings.directory import PROJECT
from importer.events.settings.ini_file import LOGGERS, IniFile, load_ini_file
from importer.logs import RedactingFormatter

logger = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s - %(levelname)s - %(name)s - %(message)s"


class ConfiguredFormatter(RedactingFormatter):
    """Formats as a [formatter_...] section says, but without secrets and foreign line breaks."""

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        *,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        logging.Formatter.__init__(self, fmt, datefmt, style, defaults=defaults)


_undo = ExitStack()
"""Takes back what the sections of a file did."""


def configure_logging(path: Path, *, former: IniFile | None = None) -> IniFile:
    """Log as the [loggers] of an INI file and what belongs to them say; without them to standard error.

    Returns what the file holds. Raises ConfigError where they cannot be carried out, and logs from then on as the
    former file says, or to standard error.
    """
    ini = load_ini_file(path)
    try:
        _carry_out(ini)
    except Exception as error:  # the file may name any class, with any arguments
        _fall_back(former)
        what = f"logging cannot be set up so: {type(error).__name__}: {one_line(error, limit=200)}"
        raise ConfigError(Problem(path, what, key=f"[{LOGGERS}]")) from error
    return ini


def _fall_back(former: IniFile | None) -> None:
    _log_to_standard_error()
    if former is None:
        return
    try:
        _carry_out(former)
    except Exception as error:
        _log_to_standard_error()
        logger.exception("logging to standard error, the former way is gone: %s", one_line(error, limit=200))


def _carry_out(ini: IniFile) -> None:
    if not ini.configures_logging:
        _log_to_standard_error()
        return
    _undo.close()
    logs.teardown()
    parser = _parser(ini)
    _undo.callback(_take_back, [section.get("qualname", "") for section in parser.values()])
    logging.config.fileConfig(parser, disable_existing_loggers=False)
    for handler in _handlers():
        if handler.formatter is None:
            handler.setFormatter(ConfiguredFormatter())


def _take_back(names: Iterable[str]) -> None:
    """Let the root logger and these have neither handlers nor a level of their own."""
    for name in {"", *names}:
        configured = logging.getLogger(name)
        configured.setLevel(logging.NOTSET if name else logging.WARNING)
        configured.propagate = True
        for handler in list(configured.handlers):
            configured.removeHandler(handler)
            handler.close()


def _log_to_standard_error() -> None:
    _undo.close()
    logs.setup(PROJECT, directory=None, quiet=True, console_level=logging.INFO, console_format=LOG_FORMAT)


def _parser(ini: IniFile) -> RawConfigParser:
    """Return the sections about logging, in which formatters without a class of their own are ours."""
    parser = RawConfigParser()
    for name, content in ini.logging_sections():
        is_formatter = name.startswith("formatter_") and content.get("class") in (None, "", "logging.Formatter")
        ours = {"class": f"{__name__}.{ConfiguredFormatter.__name__}"} if is_formatter else {}
        parser[name] = {**content, **ours}
    return parser


def _handlers() -> Iterator[logging.Handler]:
    root = logging.getLogger()
    yield from root.handlers
    for name in list(root.manager.loggerDict):
        yield from logging.getLogger(name).handlers
