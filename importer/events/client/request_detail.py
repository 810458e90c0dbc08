"""What a web request tells about who sent it, as keys of an event."""

from collections.abc import Mapping

AGENT_FIELDS = [
    "HTTP_USER_AGENT",
    "REQUEST_METHOD",
    "PATH_INFO",
    "HTTP_X_REAL_IP",
    "HTTP_ACCEPT_LANGUAGE",
    "REMOTE_ADDR",
    "HTTP_X_FORWARDED_FOR",
]
"""What is taken from a request, by its names in CGI and WSGI."""


def agent(request: object) -> dict[str, object]:
    """Return the AGENT_FIELDS of a Django or Pyramid request, named in lower case; `""` for what it lacks.

    Where the package user-agents is installed, `ua` holds what `ua_string_dict` makes of the browser's name. Raises
    AttributeError for a request that has neither `META` nor `environ`.

    >>> from types import SimpleNamespace
    >>> agent(SimpleNamespace(META={"REMOTE_ADDR": "10.0.0.5"}))["remote_addr"]
    '10.0.0.5'
    """
    found = _environment(request)
    detail: dict[str, object] = {field.lower(): found.get(field, "") for field in AGENT_FIELDS}
    try:
        detail["ua"] = ua_string_dict(str(detail["http_user_agent"]))
    except ImportError:
        return detail
    return detail


def _environment(request: object) -> Mapping[str, object]:
    meta: Mapping[str, object] | None = getattr(request, "META", None)
    if meta is not None:
        return meta
    environ: Mapping[str, object] = request.environ  # type: ignore[attr-defined]  # frameworks are none of our types
    return environ


def ua_string_dict(ua_string: str) -> dict[str, object]:
    """Return what a User-Agent header says: five truth values, `is_...`, and names and versions as text.

    Raises ImportError where the package user-agents is not installed.
    """
    from user_agents import parse  # type: ignore[import-not-found, import-untyped, unused-ignore]  # optional

    parsed = parse(ua_string)
    return {
        "is_mobile": parsed.is_mobile,
        "is_tablet": parsed.is_tablet,
        "is_touch_capable": parsed.is_touch_capable,
        "is_pc": parsed.is_pc,
        "is_bot": parsed.is_bot,
        "browser_family": parsed.browser.family,
        "browser_version": parsed.browser.version_string,
        "os_family": parsed.os.family,
        "os_version": parsed.os.version_string,
        "device_family": parsed.device.family,
    }
