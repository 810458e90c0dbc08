"""HTTP Basic authentication as the simulators read it."""

import base64

from importer.simulators.http_wire import Request


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """Return user and password of a request; None where it has none, or none that can be read."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme != "Basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return user, password
