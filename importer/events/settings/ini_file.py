"""The INI file of the stats service, read as PasteDeploy read it: [app:main], [server:main] and those of logging.

`=` or `:` stands between key and value, a `#` or `;` begins a line that is a comment, a ` ;` behind a value a comment
too. What is given twice counts as it was given last. `%(here)s` is the file's directory; any other `%` is a `%`.
"""

from collections.abc import Iterator, Mapping
from configparser import MissingSectionHeaderError, ParsingError, RawConfigParser
from dataclasses import dataclass
from pathlib import Path

from importer.config import ObjectReader
from importer.errors import ConfigError, Problem
from importer.stores import load_text

APP = "app:main"
SERVER = "server:main"
LOGGERS = "loggers"

_HERE = "%(here)s"
_LOGGING = ("logger", "handler", "formatter")
_NO_ENTRY = "is neither [section] nor key = value"


@dataclass(frozen=True, slots=True)
class IniFile:
    """What an INI file holds: text alone."""

    path: Path
    sections: Mapping[str, Mapping[str, str]]

    @property
    def directory(self) -> Path:
        """Where it lies: an absolute path."""
        return self.path.absolute().parent

    @property
    def configures_logging(self) -> bool:
        """Whether it says how to log, in the sections of Python's logging.config."""
        return LOGGERS in self.sections

    def reader(self, section: str, problems: list[Problem]) -> ObjectReader:
        """Return a reader of a section, which is empty if there is none, that adds to problems."""
        content = dict(self.sections.get(section, {}))
        return ObjectReader(self.path, content, where=f"[{section}] ", problems=problems, accept_text=True)

    def resolved(self, text: str) -> Path:
        """Return the path that a value names; a relative one is taken from the file's directory."""
        return self.directory / expanded(text)

    def logging_sections(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield the sections for Python's logging.config, their keys in lower case, as it has them."""
        for name, content in self.sections.items():
            if name.startswith(tuple(f"{kind}_" for kind in _LOGGING)) or name in {f"{kind}s" for kind in _LOGGING}:
                yield name, {key.lower(): value for key, value in content.items()}


def load_ini_file(path: Path) -> IniFile:
    """Return what the file holds. Raises ConfigError, with the line, for what cannot be read or parsed."""
    parser = RawConfigParser(strict=False, inline_comment_prefixes=(";",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as the standard library says to
    try:
        parser.read_string(load_text(path))
    except MissingSectionHeaderError as error:
        raise ConfigError(Problem(path, "comes before the first [section]", line=error.lineno)) from error
    except ParsingError as error:
        raise ConfigError([Problem(path, _NO_ENTRY, line=line) for line, _ in error.errors]) from error
    here = str(path.absolute().parent)
    sections = {
        name: {key: value.replace(_HERE, here) for key, value in parser[name].items()} for name in parser.sections()
    }
    return IniFile(path, sections)


def expanded(text: str) -> Path:
    """Return the path that text names, with the home directory for its `~`; as it stands where nobody has one."""
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path
