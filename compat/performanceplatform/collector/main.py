"""Old import path of pp-collector itself; `python -m performanceplatform.collector.main` is the command."""

from importer.collector.old_main import _run_collector, main, merge_performanceplatform_config

__all__ = ["_run_collector", "main", "merge_performanceplatform_config"]

if __name__ == "__main__":
    raise SystemExit(main())
