"""Drop-in directories: files that add to a configuration file, for whoever manages each part of it by itself.

graphite.json    graphite.d/10-carbon.json    graphite.d/20-influxdb.json
"""

import os
from pathlib import Path

from importer.errors import ConfigError, Problem
from importer.stores import FileStamp, file_stamp

Stamps = tuple[tuple[Path, FileStamp | None], ...]
"""What tells the state of some files from others."""


def drop_in_files(directory: Path, suffix: str) -> list[Path]:
    """Return the files of a directory whose names end with suffix, sorted by name; none where there is no directory.

    Names that begin with a dot are passed over, and so is what editors and dpkg leave (`x.json~`, `x.json.dpkg-old`,
    `x.json.bak`), as it ends in another way. Raises ConfigError for a directory that cannot be read: a file in its
    place, or a link that leads nowhere, is one.
    """
    if not os.path.lexists(directory):
        return []
    try:
        names = [path.name for path in directory.iterdir()]
    except OSError as error:
        raise ConfigError(Problem(directory, f"cannot be read: {error.strerror}")) from error
    return [directory / name for name in sorted(names) if name.endswith(suffix) and not name.startswith(".")]


def stamps_of(path: Path, directory: Path, suffix: str) -> Stamps:
    """Return what differs once a file, or any of its drop-ins, is changed, added or removed."""
    try:
        drop_ins = drop_in_files(directory, suffix)
    except ConfigError:  # told by whoever reads it, which this lets happen
        drop_ins = [directory]
    return tuple((file, file_stamp(file)) for file in (path, *drop_ins))
