"""Units of systemd for the jobs of a jobs file: a timer for each, and what its service runs.

Of a job with the slug SLUG there are, in the directory of units:

- `pp-collector@SLUG.timer`, whole;
- `pp-collector@SLUG.service.d/job.conf`, which adds the command to the packaged `pp-collector@.service`.

Files of ours begin with a comment that names the jobs file they come from; no others are ever touched.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from importer.collector.cron_schedule import ScheduleError, timer_settings
from importer.collector.jobs_file import DISABLE_VARIABLE, Job
from importer.errors import ConfigError, ImporterError, Problem
from importer.stores import MAX_FILE_BYTES, sync_directory, write_private

MODE = 0o644
RANDOM_DELAY_SECONDS = 30
"""Spreads the jobs of a minute, and keeps those of every two minutes apart."""

_TEMPLATE = "pp-collector"
_DROP_IN = "job.conf"
_PACKAGED = "the packaged user"
_INSTANCE = re.compile(r"[A-Za-z0-9:_.-]{1,200}")
"""What may stand after the `@` of a unit's name without being escaped."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where what the services run is."""

    jobs: Path
    """The jobs file, absolute."""
    app: Path | None = None
    """Holds venv and config, as for a crontab; None for the installed command, and files beside the jobs file."""
    user: str = ""
    """Who runs the collections; empty for what the packaged service says."""
    is_disabled: bool = False
    """Whether the services start, but collect nothing."""

    @property
    def command(self) -> str:
        """The command that collects."""
        return f"/usr/bin/{_TEMPLATE}" if self.app is None else f"{self.app}/venv/bin/{_TEMPLATE}"

    @property
    def config(self) -> Path:
        """What the files of a job are relative to."""
        return self.jobs.parent if self.app is None else self.app / "config"

    @property
    def marker(self) -> str:
        """The first line of each unit that comes from this jobs file."""
        return f"# Written by pp-collector-timers from {self.jobs}: changes are overwritten."


@dataclass(frozen=True, slots=True)
class Changes:
    """What has to be done in a directory of units."""

    directory: Path
    written: Mapping[Path, str] = field(default_factory=dict)
    """New content, for files that are missing or differ."""
    removed: Sequence[Path] = ()
    """Files of ours for which there is no job any more."""

    def __bool__(self) -> bool:
        return bool(self.written or self.removed)


def build_units(jobs: Sequence[Job], layout: Layout) -> dict[str, str]:
    """Return the content of each unit by its name in the directory; raises ConfigError with every line that is wrong.

    Lines of one slug make one timer that elapses at the times of them all; they have to name the same files.
    """
    problems: list[Problem] = []
    first: dict[str, Job] = {}
    settings: dict[str, list[str]] = {}
    for job in jobs:
        try:
            _check(job, first.setdefault(job.slug, job))
            lines = timer_settings(job.schedule)
        except (ScheduleError, _JobError) as error:
            problems.append(Problem(layout.jobs, str(error), line=job.line))
            continue
        known = settings.setdefault(job.slug, [])
        known += [line for line in lines if line not in known]
    if problems:
        raise ConfigError(problems)
    return dict(unit for slug, job in first.items() for unit in _units(job, settings[slug], layout))


class _JobError(ValueError):
    """A job cannot be a unit; the text says why."""


def _check(job: Job, first: Job) -> None:
    if not _INSTANCE.fullmatch(job.slug):
        raise _JobError(f'slug "{job.slug:.80}" cannot name a unit; letters, digits and : _ . - are expected')
    if job.files != first.files:
        raise _JobError(f'"{job.slug}" has other files than in line {first.line}; one slug is one service')


def _units(job: Job, settings: Sequence[str], layout: Layout) -> Iterator[tuple[str, str]]:
    name = f"{_TEMPLATE}@{job.slug}"
    timer = [
        "[Unit]",
        f"Description=Collect {job.slug}",
        "PartOf=metrics-importer.target",
        "",
        "[Timer]",
        *settings,
        "Persistent=true",
        "AccuracySec=1s",
        f"RandomizedDelaySec={RANDOM_DELAY_SECONDS}s",
        "",
        "[Install]",
        "WantedBy=timers.target metrics-importer.target",
    ]
    yield f"{name}.timer", _text(layout.marker, timer)
    files = (str(layout.config / file) for file in job.files)
    options = [word for pair in zip(("-c", "-t", "-b"), files, strict=True) for word in pair]
    command = " ".join(map(_quoted, (layout.command, "-l", job.slug, *options)))
    service = ["[Service]", "ExecStart=", f"ExecStart={command}"]
    service += [f"User={layout.user}"] if layout.user else []
    service += [f"Environment={DISABLE_VARIABLE}=true"] if layout.is_disabled else []
    yield f"{name}.service.d/{_DROP_IN}", _text(layout.marker, service)


def _text(marker: str, lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in (marker, *lines))


def _quoted(word: str) -> str:
    """Return a word as ExecStart= has it, where `%` and `$` mean something."""
    plain = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[\w@%$+=:,./-]+", plain):
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def find_changes(units: Mapping[str, str], directory: Path, layout: Layout) -> Changes:
    """Return what makes a directory hold these units of a jobs file, and no others of it.

    Raises ImporterError for a unit that somebody else has written, and for what cannot be read.
    """
    wanted = {directory / name: text for name, text in units.items()}
    marker = f"{layout.marker}\n".encode()
    present = {path: _content(path) for path in _present(directory)}
    for path in wanted:
        if not present.get(path, marker).startswith(marker):
            raise ImporterError(f"{path}: was not written for {layout.jobs}; remove it, or rename the job")
    return Changes(
        directory,
        written={path: text for path, text in wanted.items() if present.get(path) != text.encode()},
        removed=[path for path, text in present.items() if text.startswith(marker) and path not in wanted],
    )


def other_users(changes: Changes, layout: Layout) -> list[str]:
    """Return a warning for each service of the directory that has run as another user than the jobs will, by name.

    All of them keep what they have not delivered in one directory, which belongs to one user.
    """
    return [
        f"{path.parent.name.removesuffix('.d')} runs as {user or _PACKAGED}, the jobs of {layout.jobs} as "
        f"{layout.user or _PACKAGED}: they share /var/lib/{_TEMPLATE}, which belongs to one user"
        for path in _present(changes.directory)
        if path.name == _DROP_IN and path not in changes.removed and (user := _user_of(path)) != layout.user
    ]


def _user_of(path: Path) -> str:
    """Return the user that a drop-in names, empty for none."""
    named: list[bytes] = re.findall(rb"^User=([^\n]*)", _content(path), re.MULTILINE)
    return named[-1].decode(errors="replace").strip() if named else ""


def _present(directory: Path) -> list[Path]:
    """Return the files that may be ours; none where there is no such directory."""
    patterns = (f"{_TEMPLATE}@*.timer", f"{_TEMPLATE}@*.service.d/{_DROP_IN}")
    return sorted(path for pattern in patterns for path in directory.glob(pattern) if path.is_file())


def _content(path: Path) -> bytes:
    with _told(path, "read"), path.open("rb") as file:
        return file.read(MAX_FILE_BYTES)


def apply_changes(changes: Changes) -> None:
    """Write and remove the files, each whole or not at all; raises ImporterError for the first that fails."""
    for path, text in changes.written.items():
        with _told(path, "written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(path, text, mode=MODE)
    for path in changes.removed:
        with _told(path, "removed"):
            _remove(path)


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ImporterError(f"{path}: cannot be {what}: {error.strerror}") from error


def _remove(path: Path) -> None:
    path.unlink()
    folder = path.parent
    if folder.name.endswith(".service.d") and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
    sync_directory(folder)
