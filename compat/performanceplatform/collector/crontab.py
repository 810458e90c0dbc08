"""Old import path of the crontab generator; `python -m performanceplatform.collector.crontab` is the command."""

from importer.cli.pp_collector.crontab import main
from importer.collector.crontab import (
    crontab_begin_comment,
    crontab_end_comment,
    generate_crontab,
    remove_existing_crontab_for_app,
)
from importer.collector.jobs_file import ParseError, parse_job_line, skip_job

__all__ = [
    "ParseError",
    "crontab_begin_comment",
    "crontab_end_comment",
    "generate_crontab",
    "main",
    "parse_job_line",
    "remove_existing_crontab_for_app",
    "skip_job",
]

if __name__ == "__main__":
    raise SystemExit(main())
