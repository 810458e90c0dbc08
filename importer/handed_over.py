"""Files that systemd hands to a service: `LoadCredential=NAME:PATH` puts what is in PATH into a folder of its own."""

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "CREDENTIALS_DIRECTORY"
"""Where systemd tells the folder."""


def credential_path(name: str | Path, *, beside: Path = Path(), environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the file of a secret is: among systemd's credentials, or else in the directory `beside`.

    A name that is a whole path is that path. Whether there is such a file is for its reader to see.

    >>> credential_path("token", beside=Path("/etc/shop"), environ={})
    PosixPath('/etc/shop/token')
    """
    folder = environ.get(VARIABLE)
    if folder and os.path.lexists(Path(folder, name)):
        return Path(folder, name)
    return beside / name
