"""Old import path of the class that services derive from."""

from importer.leexport.service import Service

__all__ = ["Service"]
