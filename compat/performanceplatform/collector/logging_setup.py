"""Old import path of pp-collector's logs."""

from importer.collector.old_main import close_down_logging, set_up_logging

__all__ = ["close_down_logging", "set_up_logging"]
