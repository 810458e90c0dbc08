"""The proxies that a configuration file names for what a vendor is asked."""

from urllib.parse import urlsplit

from importer.config import ObjectReader
from importer.credentials import register


def read_proxies(keys: ObjectReader) -> dict[str, str] | None:
    """Return `proxies` (scheme -> address), None if it is not given; a wrong one is counted as a mistake.

    Their passwords are secrets. An empty address means no proxy for that scheme.
    """
    proxies = keys.mapping_of_text("proxies", None)
    for scheme, proxy in (proxies or {}).items():
        try:
            parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            register(parts.password or "")
            usable = not proxy or (parts.hostname is not None and parts.port != 0)
        except ValueError:
            usable = False
        if not usable:
            keys.problem(f"proxies.{scheme}", "not the address of a proxy, such as http://proxy.example.org:3128")
    return proxies
