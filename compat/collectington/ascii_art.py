"""Old import path of the banner."""

from importer.exporter.banner import print_ascii

__all__ = ["print_ascii"]
