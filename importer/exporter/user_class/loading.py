"""From names in the configuration to a user's class: where modules are found, and what is told of failures."""

import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from importer.errors import ConfigError, Problem, Stopped
from importer.exporter.user_error import USER_EXCEPTIONS, UserError, place, told, traceback_text
from importer.logs import MULTILINE

logger = logging.getLogger(__name__)

OLD_PACKAGE = "collectington"


def extend_search_path(config_path: Path) -> None:
    """Let users' modules be found in the working directory, then beside the configuration, then where Python looks.

    Modules that somebody has put into a folder `collectington` of these are found too; our own of the same name win.
    """
    folders = list(dict.fromkeys([str(Path.cwd()), str(config_path.absolute().parent)]))
    package = importlib.import_module(OLD_PACKAGE)  # before the folders count: a copy of the old one is no use
    sys.path[:] = folders + [entry for entry in sys.path if entry not in folders]
    package.__path__.extend(
        str(Path(folder, OLD_PACKAGE)) for folder in folders if str(Path(folder, OLD_PACKAGE)) not in package.__path__
    )
    importlib.invalidate_caches()


def load_factory(service: str, module_name: str, class_name: str) -> Callable[[], Any]:
    """Return the class of a service.

    Raises ConfigError where there is no such module or class, and UserError where the module fails by itself.
    """
    where = f"services.{service}"
    with failures(where, f"module {module_name} does not import"):
        module = _imported(where, module_name)
    factory: Callable[[], Any] | None = getattr(module, class_name, None)
    if not callable(factory):
        raise ConfigError(Problem(where, f"module {module_name} has no class {class_name}"))
    return factory


@contextmanager
def failures(where: str, what: str) -> Iterator[None]:
    """Let what a user's code raises in the block be a UserError, in one line with the place."""
    try:
        yield
    except (ConfigError, Stopped, UserError):
        raise
    except USER_EXCEPTIONS as error:
        logger.debug("%s", traceback_text(error), extra=MULTILINE)
        raise UserError(f"{where}: {what}: {told(error)} ({place(error)})") from error


def _imported(where: str, module_name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # something that the module wants is not there
        raise ConfigError(Problem(where, f"module {module_name}: {error}")) from error
    except (TypeError, ValueError) as error:
        if module_name and not module_name.startswith("."):
            raise
        raise ConfigError(Problem(where, f"module {module_name!r}: not a module's name; oncall_api is one")) from error
