"""Values of an INI file that are text as it stands, whatever ConfigObj would make of their commas and quotes.

A query such as `where(host=web, path="/a, b")` is a list to ConfigObj, and what follows a `#` between its quotes a
comment. The lines of such keys are put into triple quotes before ConfigObj sees them: then all that it does is to
fill in each `%(name)s`, as in any other value.
"""

import re
from collections.abc import Collection, Iterator, Sequence

_ASSIGNMENT = re.compile(r"""\s*(?P<key>"[^"]+"|'[^']+'|[^'"=\[#][^=]*?)\s*=\s*(?P<value>.*?)\s*""")
_LIST = re.compile(r"""("[^"]*"|'[^']*')(\s*,\s*("[^"]*"|'[^']*'))+""")
"""Texts of which each has quotes of its own."""
_INNER_HASH = re.compile(r"""[^\s'",#]+#.*""")
_TRIPLE_QUOTES = ("'''", '"""')


def quote_values(lines: Sequence[str], *, keys: Collection[str], addresses: Collection[str] = ()) -> list[str]:
    """Return the lines of an INI file, as many as before, with the values of these keys quoted where they need it.

    A value is what follows the `=`, without white space around, without a ` #comment` outside quotes, and without
    quotes that surround all of it: those of `"a", "b"` do not. One in triple quotes, over one line or several, is left
    as it is. Of the keys `addresses` a value is quoted only where it goes on behind a `#`: ConfigObj would cut that off
    without a word.

    >>> quote_values(["statement = where(a, b) calculate(count) # per minute"], keys=["statement"])
    ["statement = '''where(a, b) calculate(count)'''"]
    """
    return list(_quoted(lines, keys, addresses)) if keys or addresses else list(lines)


def _quoted(lines: Sequence[str], keys: Collection[str], addresses: Collection[str]) -> Iterator[str]:
    closing = ""
    for line in lines:
        if closing:  # inside a value of several lines
            closing = "" if closing in line else closing
            yield line
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            yield line
            continue
        value = match["value"]
        if value.startswith(_TRIPLE_QUOTES):
            closing = "" if value[:3] in value[3:] else value[:3]
            yield line
        elif (key := match["key"].strip("'\"")) in keys or (key in addresses and _INNER_HASH.fullmatch(value)):
            yield _requoted(line, match)
        else:
            yield line


def _requoted(line: str, match: re.Match[str]) -> str:
    text = _without_quotes(_without_comment(match["value"]))
    quotes = next((quotes for quotes in _TRIPLE_QUOTES if quotes not in text), None)
    if not text or quotes is None:
        return line
    return f"{line[: match.start('value')]}{quotes}{text}{quotes}"


def _without_comment(text: str) -> str:
    quote = ""
    for position, char in enumerate(text):
        if char == quote:
            quote = ""
        elif quote:
            continue
        elif char in "'\"" and char in text[position + 1 :]:  # else an apostrophe
            quote = char
        elif char == "#" and (position == 0 or text[position - 1].isspace()):
            return text[:position].rstrip()
    return text


def _without_quotes(text: str) -> str:
    is_quoted = len(text) > 1 and text[0] in "'\"" and text[0] == text[-1] and not _LIST.fullmatch(text)
    return text[1:-1] if is_quoted else text
