"""Departments by the codes that pages of the government carry: `<D10><EA79>` is of the Department for Work & Pensions.

The 404 codes and their slugs in departments.json are those that records have always had.
"""

import re
from functools import cache
from json import loads
from pathlib import Path

from importer.errors import ImporterError, one_line

_CODE = re.compile(r"<[A-Za-z]+[0-9]+>")


class NoDepartment(ImporterError, AssertionError):
    """A text does not begin with the code of a department, or there is none."""


def take_first_department_code(text: object) -> str:
    """Return the code that a text begins with, in its brackets; raises NoDepartment if there is none.

    >>> take_first_department_code("<D10><EA79>")
    '<D10>'
    """
    code = _CODE.match(text) if isinstance(text, str) else None
    if code is None:
        raise NoDepartment(one_line(f"{text!r:.100} does not begin with a department's code, such as <D10>"))
    return code[0]


def try_get_department(text: str) -> str:
    """Return the slug of the code that a text begins with; an unknown code in its brackets; other text as it is.

    >>> try_get_department("<D1>"), try_get_department("<D9999>"), try_get_department("hm-treasury")
    ('attorney-generals-office', '<D9999>', 'hm-treasury')
    """
    return department_of(text) if _CODE.match(text) else text


def department_of(text: object) -> str:
    """Return the slug of the code that a text begins with, the code itself where it is unknown.

    Raises NoDepartment for a text without one.
    """
    code = take_first_department_code(text)
    return _departments().get(code, code)


@cache
def _departments() -> dict[str, str]:
    slugs: dict[str, str] = loads(Path(__file__).with_name("departments.json").read_bytes())
    return slugs
