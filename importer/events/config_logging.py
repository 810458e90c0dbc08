"""How the stats service logs: as the INI file says, by Python's logging.config, else to standard error."""

import logging
import logging.config
from collections.abc import Iterator, Mapping
from configparser import RawConfigParser
from pathlib import Path
from typing import Any, Literal

from importer import logs
from importer.errors import ConfigError, Problem, one_line
from importer.events.config_directory import PROJECT
from importer.events.config_file import LOGGERS, IniFile, load_ini_file
from importer.logs import RedactingFormatter

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


def configure_logging(path: Path) -> None:
    """Log as the [loggers] of an INI file and what belongs to them say; without them to standard error.

    Raises ConfigError where they cannot be carried out, and logs to standard error from then on.
    """
    ini = load_ini_file(path)
    if not ini.configures_logging:
        _log_to_standard_error()
        return
    logs.teardown()
    try:
        logging.config.fileConfig(_parser(ini), disable_existing_loggers=False)
    except Exception as error:  # the file may name any class, with any arguments
        _log_to_standard_error()
        what = f"logging cannot be set up so: {type(error).__name__}: {one_line(error, limit=200)}"
        raise ConfigError(Problem(path, what, key=f"[{LOGGERS}]")) from error
    for handler in _handlers():
        if handler.formatter is None:
            handler.setFormatter(ConfiguredFormatter())


def _log_to_standard_error() -> None:
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
