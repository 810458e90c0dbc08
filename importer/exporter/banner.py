"""What cton says to somebody who starts it at a terminal."""

import sys

_GREEN, _PLAIN = "\x1b[32m", "\x1b[0m"
_BANNER = r"""
 __        __   _                          _
 \ \      / /__| | ___ ___  _ __ ___   ___| |
  \ \ /\ / / _ \ |/ __/ _ \| '_ ` _ \ / _ \ |
   \ V  V /  __/ | (_| (_) | | | | | |  __/_|
    \_/\_/ \___|_|\___\___/|_| |_| |_|\___(_)

  Welcome! This is Collectington
"""


def print_ascii() -> None:
    """Print the banner on standard output, in green."""
    sys.stdout.write(f"{_GREEN}{_BANNER}{_PLAIN}\n")
    sys.stdout.flush()
