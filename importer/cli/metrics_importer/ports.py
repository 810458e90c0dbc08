"""Where a command listens, as its options say it."""

import argparse


def port_number(text: str) -> int:
    """Return the port that an option names, 0 for any that is free; raises argparse's error.

    >>> port_number("20091")
    20091
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a port, a whole number from 0 to 65535")
    return int(text)


def listening_address(text: str) -> str:
    """Return the address that an option names; raises argparse's error.

    >>> listening_address("::1")
    '::1'
    """
    from ipaddress import ip_address

    try:
        return str(ip_address(text))
    except ValueError as error:
        wrong = f"{text!r:.80} is not an address to listen on, such as 127.0.0.1, 0.0.0.0 or ::"
        raise argparse.ArgumentTypeError(wrong) from error
