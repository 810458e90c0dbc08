"""Old import path of the client for Pingdom."""

from importer.collector.pingdom_entrypoint import Pingdom

__all__ = ["Pingdom"]
