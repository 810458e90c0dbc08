"""A crontab with a block of lines that start pp-collector, one for each job of a jobs file.

Other lines are kept, without the white space around them; bytes that are not UTF-8 stay what they are.
"""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from importer.collector.jobs_file import (
    DISABLE_VARIABLE,
    Job,
    ParseError,
    are_disabled,
    jobs_of_this_host,
    load_jobs,
)
from importer.errors import Problem

WHITE_SPACE = " \t\r\n\v\f"


def renewed_crontab(crontab: bytes, path_to_jobs: str, path_to_app: str, unique_id: str) -> bytes:
    """Return a crontab with the block of this id as the jobs file has it now; raises ConfigError."""
    lines = crontab.decode("utf-8", "surrogateescape").split("\n")
    if not lines[-1]:
        lines.pop()  # the last line was ended
    renewed = generate_crontab(lines, path_to_jobs, path_to_app, unique_id)
    return "".join(f"{line}\n" for line in renewed).encode("utf-8", "surrogateescape")


def generate_crontab(current_crontab: Iterable[str], path_to_jobs: str, path_to_app: str, unique_id: str) -> list[str]:
    """Return the lines of a crontab without the former block of this id, and with a new one at the end.

    There is no block where no job remains. Raises ParseError for a line of the jobs file that is no job, and for a
    block that is not ended; ConfigError for a jobs file that cannot be read.
    """
    _check_argument("PATH_TO_APP", path_to_app)
    _check_argument("APP_UNIQUE_ID", unique_id)
    lines = [line.strip(WHITE_SPACE) for line in current_crontab]
    _check_block_is_ended(lines, unique_id)
    kept = remove_existing_crontab_for_app(lines, unique_id)
    jobs = [_cron_line(job, path_to_app) for job in jobs_of_this_host(load_jobs(Path(path_to_jobs)))]
    if not jobs:
        return kept
    return [*kept, crontab_begin_comment(unique_id), *jobs, crontab_end_comment(unique_id)]


def remove_existing_crontab_for_app(crontab: Iterable[str], unique_id: str) -> list[str]:
    """Return the lines without the blocks of this id; one that is not ended goes to the last line."""
    kept: list[str] = []
    is_outside = True
    for line in crontab:
        if line == crontab_begin_comment(unique_id):
            is_outside = False
        if is_outside:
            kept.append(line)
        if line == crontab_end_comment(unique_id):
            is_outside = True
    return kept


def crontab_begin_comment(unique_id: str) -> str:
    """Return the line before a block, as crontabs have it without the white space around it."""
    return f"# Begin performanceplatform.collector jobs for {unique_id}".strip(WHITE_SPACE)


def crontab_end_comment(unique_id: str) -> str:
    """Return the line after a block."""
    return f"# End performanceplatform.collector jobs for {unique_id}".strip(WHITE_SPACE)


def _check_argument(name: str, value: str) -> None:
    if not value.strip(WHITE_SPACE):
        raise ParseError(Problem(name, "is empty"))
    if "\n" in value or "\r" in value or "\0" in value:
        raise ParseError(Problem(name, "holds the end of a line; one line is expected"))


def _check_block_is_ended(lines: Sequence[str], unique_id: str) -> None:
    """Raise ParseError where other people's lines would be taken for those of a block."""
    begin, end = crontab_begin_comment(unique_id), crontab_end_comment(unique_id)
    begun_at = 0
    for number, line in enumerate(lines, start=1):
        if line == begin and not begun_at:
            begun_at = number
        elif line == end:
            begun_at = 0
    if begun_at:
        raise ParseError(Problem("crontab", f'the block that begins here is not ended; put "{end}"', line=begun_at))


def _cron_line(job: Job, path_to_app: str) -> str:
    """Return the line of a job. Its words are quoted for the shell; `%` would end the command for cron."""
    slug, credentials, token, platform = map(shlex.quote, (job.slug, *job.files))
    switch = f"{DISABLE_VARIABLE}=true " if are_disabled() else ""
    command = (
        f"{switch}{path_to_app}/venv/bin/pp-collector -l {slug} -c {path_to_app}/config/{credentials} "
        f"-t {path_to_app}/config/{token} -b {path_to_app}/config/{platform} "
        f">> {path_to_app}/log/out.log 2>> {path_to_app}/log/error.log"
    )
    return f"{job.schedule} {command}".replace("%", r"\%")
