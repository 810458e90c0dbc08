"""What made-up figures are made of: noise that is always the same, and the rhythm of a day."""

import math
import struct
from hashlib import blake2b

_FOUR_WORDS = struct.Struct(">4I").unpack


def activity_at(fraction_of_day: float) -> float:
    """Return how busy people are: 0.3 at four in the morning, 1.7 at four in the afternoon, 1 on average."""
    return 1 - 0.7 * math.cos(2 * math.pi * (fraction_of_day - 4 / 24))


def activity_until(fraction_of_day: float) -> float:
    """Return how much of the day's activity is over: the integral of `activity_at`."""
    angle = 2 * math.pi * (fraction_of_day - 4 / 24)
    return fraction_of_day - 0.7 / (2 * math.pi) * (math.sin(angle) + math.sin(2 * math.pi * 4 / 24))


def noises_of(*what: object) -> tuple[float, float, float, float]:
    """Return four numbers from 0 to 1 that depend on nothing but the arguments."""
    first, second, third, fourth = _FOUR_WORDS(blake2b("|".join(map(str, what)).encode(), digest_size=16).digest())
    return first / 2**32, second / 2**32, third / 2**32, fourth / 2**32


def noise_of(*what: object) -> float:
    """Return the first of `noises_of`."""
    return noises_of(*what)[0]


def percentage(part: float | None, whole: float | None) -> float:
    """Return the percentage that part is of whole; 0 where there is nothing."""
    return 100 * part / whole if part and whole else 0.0
