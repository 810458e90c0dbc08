"""The jobs file: which collections run when, `schedule,slug,credentials,token,performanceplatform` a line.

>>> parse_job_line("15,45 * * * *,tax-disc,credentials/ga.json,tokens/ga.json,pp.json")
('15,45 * * * *', 'tax-disc', 'credentials/ga.json', 'tokens/ga.json', 'pp.json')
"""

import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from importer.errors import ConfigError, Problem, one_line
from importer.stores import load_text

DISABLE_VARIABLE = "DISABLE_COLLECTORS"
HOSTS = 2
"""How many hosts share the jobs of a file, where their names end in a number."""

_FIELDS = ("schedule", "slug", "credentials", "token", "performanceplatform")
_FORM = ",".join(_FIELDS)
_NUMBERED_HOST = re.compile(r"-([0-9]+)$")


class ParseError(ConfigError):
    """A jobs file or a crontab is not of the form that is expected; `problems` holds each mistake."""


@dataclass(frozen=True, slots=True)
class Job:
    """A collection and when it runs."""

    line: int
    """Where it stands in its file, from 1."""
    schedule: str
    """As in a crontab: five fields, or a word such as `@daily`."""
    slug: str
    """What Stagecraft knows the collector by."""
    credentials: str
    """A file, relative to the configuration; so are the other two."""
    token: str
    performanceplatform: str

    @property
    def files(self) -> tuple[str, str, str]:
        """The files that the collection reads."""
        return self.credentials, self.token, self.performanceplatform


def load_jobs(path: Path) -> list[Job]:
    """Return the jobs of a file, in its order.

    Raises ConfigError for a file that cannot be read, ParseError with every line that is wrong.
    """
    jobs: list[Job] = []
    problems: list[Problem] = []
    for number, line in enumerate(load_text(path).split("\n"), start=1):
        try:
            fields = parse_job_line(line)
        except ParseError as error:
            problems.append(Problem(path, error.problems[0].what, line=number))
            continue
        if fields is not None:
            jobs.append(Job(number, *fields))
    if problems:
        raise ParseError(problems)
    return jobs


def parse_job_line(line: str) -> tuple[str, str, str, str, str] | None:
    """Return the five fields of a line; None for a comment or a blank line. Raises ParseError.

    A schedule may hold commas: what stands before the last four fields belongs to it.
    """
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    fields = [field.strip() for field in text.rsplit(",", len(_FIELDS) - 1)]
    if len(fields) < len(_FIELDS):
        raise ParseError(Problem("jobs", f'"{one_line(text, limit=80)}" is not a job; {_FORM} is expected'))
    empty = [name for name, field in zip(_FIELDS, fields, strict=True) if not field]
    if empty:
        raise ParseError(Problem("jobs", f"names no {' and no '.join(empty)}; {_FORM} is expected"))
    if not all(field.replace("\t", " ").isprintable() for field in fields):
        raise ParseError(Problem("jobs", f"holds a control character; {_FORM} is expected"))
    schedule, slug, credentials, token, performanceplatform = fields
    return schedule, slug, credentials, token, performanceplatform


def skip_job(counter: int) -> bool:
    """Return whether another host runs a file's job with this number, from 1.

    Of two hosts whose names end in `-N`, the first runs jobs 2, 4, ..., the second 1, 3, ...; other hosts run all.
    """
    host = _NUMBERED_HOST.search(socket.gethostname())
    return host is not None and (counter + int(host[1]) - 1) % HOSTS != 0


def jobs_of_this_host(jobs: list[Job]) -> Iterator[Job]:
    """Yield the jobs that `skip_job` leaves to this host."""
    return (job for number, job in enumerate(jobs, start=1) if not skip_job(number))


def are_disabled(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether jobs are to be started, but to collect nothing."""
    return environ.get(DISABLE_VARIABLE) == "true"
