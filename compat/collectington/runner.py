"""Old import path of the command, which is `python3 -m collectington.runner` too."""

from importer.exporter.user_class.old_runner import main, parse_args, run
from importer.exporter.user_class.poll import process_request

__all__ = ["parse_args", "process_request", "run"]

if __name__ == "__main__":
    raise SystemExit(main())
