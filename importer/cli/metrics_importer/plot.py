"""A series drawn with characters, by plotext."""

import shutil
from collections.abc import Sequence
from typing import TextIO

from importer.cli.text_table import format_number, format_time

MAX_WIDTH = 100
HEIGHT = 12
"""Lines, with title, axis and times."""
MAX_POINTS = 2000
"""More than the finest marker can tell apart in MAX_WIDTH columns."""

_ASCII = str.maketrans("┌┐└┘─│┤┬├┴┼", "++++-|+++++")


def plot(title: str, points: Sequence[tuple[float, float]], *, stream: TextIO, width: int | None = None) -> str:
    """Return a plot of (seconds since 1970 UTC, value) in the order of time, of two or more of them.

    As wide as the terminal, MAX_WIDTH at most; in plain ASCII where the stream's encoding has no box characters.
    """
    import plotext  # on use: it takes longer to import than all of ours

    columns = min(width or shutil.get_terminal_size((MAX_WIDTH, HEIGHT)).columns, MAX_WIDTH)
    is_ascii = not _takes_boxes(stream)
    times, values = zip(*_thinned(points), strict=True)
    plotext.terminal.limit(False, False)
    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(columns, HEIGHT)
    figure.title(title[: columns - 2])
    figure.draw(figure.signal(times, values, marker="*" if is_ascii else "braille").lines())
    figure.ruler("x").ticks(*_time_ticks(times, columns=columns))
    figure.ruler("y").ticks(*_value_ticks(min(values), max(values)))
    drawn = plotext.uncolorize(str(figure.build()))
    lines = [line.rstrip() for line in drawn.splitlines()]
    text = "\n".join(lines).rstrip("\n")
    return text.translate(_ASCII) if is_ascii else text


def _takes_boxes(stream: TextIO) -> bool:
    try:
        "│⠉".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Return the extremes of each stretch of a long series, which is all that can be seen of it."""
    if len(points) <= MAX_POINTS:
        return points
    size = -(-len(points) // (MAX_POINTS // 2))
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        extremes = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        kept += sorted(extremes)
    return kept


def _value_ticks(least: float, greatest: float) -> tuple[list[float], list[str]]:
    middle = (least + greatest) / 2
    ticks = [least] if least == greatest else [least, middle, greatest]
    return ticks, [format_number(tick) for tick in ticks]


def _time_ticks(times: Sequence[float], *, columns: int) -> tuple[list[float], list[str]]:
    """Return the times below the axis: the first and the last and, where there is room, the one in the middle."""
    ticks = [times[0], times[len(times) // 2], times[-1]]
    if columns < 3 * len("2016-05-03 08:05:00") + 2 or len(set(ticks)) < len(ticks):
        ticks = [times[0], times[-1]]
    texts = [format_time(tick) for tick in ticks]
    if all(text.endswith("T00:00:00Z") for text in texts):
        return ticks, [text[:10] for text in texts]
    return ticks, [text.replace("T", " ").removesuffix("Z") for text in texts]
