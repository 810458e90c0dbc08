"""Old import path of the service hosted_graphite."""

from importer.leexport.hosted_graphite import HostedGraphiteService

__all__ = ["HostedGraphiteService"]
