"""Old import path of the command, which is `python3 -m collectington.runner` too."""

from importer.exporter.class_poll import process_request
from importer.exporter.old_runner import main, parse_args, run

__all__ = ["parse_args", "process_request", "run"]

if __name__ == "__main__":
    raise SystemExit(main())
