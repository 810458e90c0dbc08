"""What a vendor may send: any text at all, any finite number, any time that a store can hold."""

from hypothesis import strategies as st

from importer.points import Point

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**1000), 2**1000)
TIMESTAMPS = st.floats(0, 2**32, exclude_max=True) | st.integers(0, 2**32 - 1)
LABELS = st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3).map(lambda labels: tuple(sorted(labels.items())))
POINTS = st.builds(
    Point,
    st.lists(ANY_TEXT, min_size=1, max_size=5).map(tuple),
    NUMBERS,
    TIMESTAMPS,
    LABELS,
)
