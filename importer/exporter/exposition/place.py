"""Where a service is shown: an address and a port, and which of them exclude each other."""

from ipaddress import ip_address

Place = tuple[str | None, int]
"""Address, None for all of them, and port."""


def overlap(one: Place, other: Place) -> bool:
    """Return whether only one of two places can be open at a time.

    >>> overlap((None, 80), ("::1", 80)), overlap(("0.0.0.0", 80), ("127.0.0.1", 80)), overlap(("::", 80), ("::1", 81))
    (True, True, False)
    """
    if one[1] != other[1]:
        return False
    if one[0] is None or other[0] is None:
        return True
    addresses = ip_address(one[0]), ip_address(other[0])
    is_any = any(address.is_unspecified for address in addresses)
    return addresses[0] == addresses[1] or (is_any and addresses[0].version == addresses[1].version)
