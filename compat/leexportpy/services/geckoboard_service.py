"""Old import path of the service geckoboard."""

from importer.leexport.geckoboard import GeckoboardService

__all__ = ["GeckoboardService"]
