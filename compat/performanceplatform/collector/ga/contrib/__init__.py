"""Old place of special entrypoints for Google Analytics; users add packages of their own beside them."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
