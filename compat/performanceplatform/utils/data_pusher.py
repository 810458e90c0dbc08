"""Old import path of what pushes records into a data set."""

from importer.collector.pusher import Pusher

__all__ = ["Pusher"]
