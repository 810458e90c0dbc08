"""Users' own services: classes in modules `*_service.py`, found by file name and class name.

They are modules of the package `leexportpy.services`, whose path is extended by the users' folders, so that imports
between them and from the old package work.
"""

import importlib
import inspect
import logging
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from importer.errors import ImporterError, one_line
from importer.leexport.plugin_output import captured
from importer.leexport.service import Service
from importer.stores import FileStamp, file_stamp

logger = logging.getLogger(__name__)

PACKAGE = "leexportpy.services"
SUFFIX = "_service"

ServiceClass = type[Service]
"""What the engine instantiates; a plug-in need not derive from Service as long as it behaves like one."""


class UnknownService(ImporterError):
    """There is no service of that name; `reason` says what became of its module, empty if there is none."""

    def __init__(self, name: str, reason: str = "") -> None:
        self.name = name
        self.reason = one_line(reason)
        super().__init__(f"unknown service {name}{': ' if reason else ''}{self.reason}")


@dataclass(frozen=True, slots=True)
class _Module:
    """A file with a service of a user's."""

    name: str
    path: Path
    stamp: FileStamp | None

    @property
    def class_name(self) -> str:
        """The name that the class must have: each word of the module's name capitalized."""
        return "".join(word.capitalize() for word in self.name.split("_"))


class Catalog:
    """Users' services in some folders, imported; those that cannot be are known with the reason."""

    def __init__(self, classes: dict[str, ServiceClass], broken: dict[str, str]) -> None:
        self._classes = classes
        self._broken = broken

    @property
    def services(self) -> Collection[str]:
        """The names of the services that can be used."""
        return self._classes.keys()

    def find(self, service: str) -> ServiceClass | None:
        """Return the class of a user's service, None if no user has one of that name.

        Raises UnknownService, with the reason, where there is a module of that name that is of no use.
        """
        if service in self._broken:
            raise UnknownService(service, self._broken[service])
        return self._classes.get(service)


class CatalogReader:
    """Reads the folders of services again and again, importing anew only the modules that have changed."""

    def __init__(self) -> None:
        self._imported: dict[str, tuple[_Module, ServiceClass]] = {}
        self._warned: set[Path] = set()

    def read(self, directories: Sequence[Path]) -> Catalog:
        """Return what is in the folders, of which the first that has a module wins; logs what cannot be used."""
        package = importlib.import_module(PACKAGE)
        own_directory = Path(inspect.getfile(package)).parent
        package.__path__ = [*map(str, directories), str(own_directory)]
        importlib.invalidate_caches()
        modules = self._modules(directories, own_directory)
        self._forget_changed(modules)
        classes: dict[str, ServiceClass] = {}
        broken: dict[str, str] = {}
        for module in modules.values():
            service = module.name.removesuffix(SUFFIX)
            try:
                classes[service] = self._class_of(module)
            except UnknownService as error:
                broken[service] = error.reason
                logger.error("service cannot be used: file=%s: %s", module.path, error.reason)
        return Catalog(classes, broken)

    def _modules(self, directories: Sequence[Path], own_directory: Path) -> dict[str, _Module]:
        """Return users' modules by name. What users put beside ours in the package itself is theirs too."""
        found: dict[str, _Module] = {}
        for directory in directories:
            if not os.path.isdir(directory):  # noqa: PTH112 - Path.is_dir raises where a folder above is closed to us
                self._warn(directory, "no such folder of services: %s")
                continue
            for path in _files(directory):
                if path.stem.endswith(SUFFIX):
                    found.setdefault(path.stem, _Module(path.stem, path, file_stamp(path)))
                elif path.stem != "__init__":
                    self._warn(path, "passed over, a service's file is named NAME_service.py: %s")
        for path in _files(own_directory):
            if path.stem.endswith(SUFFIX) and path.stem not in _BUILT_IN:
                found.setdefault(path.stem, _Module(path.stem, path, file_stamp(path)))
        return found

    def _warn(self, path: Path, text: str) -> None:
        if path not in self._warned:
            self._warned.add(path)
            logger.warning(text, path)

    def _forget_changed(self, modules: dict[str, _Module]) -> None:
        """Let every module of users' be imported anew if one has changed: they may import each other."""
        if {name: known for name, (known, _) in self._imported.items()} == modules:
            return
        self._imported.clear()
        for name in [*modules, *_BUILT_IN]:
            sys.modules.pop(f"{PACKAGE}.{name}", None)

    def _class_of(self, module: _Module) -> ServiceClass:
        if module.name not in self._imported:
            self._imported[module.name] = (module, _import_class(module))
        return self._imported[module.name][1]


def _files(directory: Path) -> Iterator[Path]:
    try:
        yield from sorted(path for path in directory.glob("*.py") if path.is_file())
    except OSError as error:
        logger.warning("folder of services cannot be read: %s: %s", directory, error.strerror)


def _import_class(module: _Module) -> ServiceClass:
    """Return the class that a module is there for; raises UnknownService with the reason."""
    service = module.name.removesuffix(SUFFIX)
    writes_none = sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # it is dated in whole seconds: a second change within one would not be seen
    try:
        with captured(module.path.name):
            imported: ModuleType = importlib.import_module(f"{PACKAGE}.{module.name}")
    except BaseException as error:  # whatever a user's module does when it is imported
        logger.info("service's module failed: file=%s", module.path, exc_info=True)
        raise UnknownService(service, f"{module.path.name} does not import: {type(error).__name__}: {error}") from error
    finally:
        sys.dont_write_bytecode = writes_none
    found = getattr(imported, module.class_name, None)
    if not isinstance(found, type):
        raise UnknownService(service, f"{module.path.name} has no class {module.class_name}")
    return found


_BUILT_IN = frozenset(f"{name}{SUFFIX}" for name in ("dummy", "geckoboard", "hosted_graphite", "kafka"))
"""The modules that the package has of its own."""
