"""Old import path of pp-collector; users' packages of this name are added to its path."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
