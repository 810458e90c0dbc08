import itertools
import platform

import pytest
from graphitesend.formatter import GraphiteStructuredFormatter
from hypothesis import given
from hypothesis import strategies as st

from importer.points import Point
from importer.sinks.naming import Naming
from importer.sinks.plain_text import Names, lines
from tests.sinks.strategies import ANY_TEXT

HOST = "Web.example"


def rename(naming: Naming, name: str = "shop.6-6-1.Dau") -> str:
    return naming.renamer()(name)


@pytest.mark.parametrize(
    ("prefix", "group", "suffix", "lowercase", "squash"),
    list(
        itertools.product(
            (None, "", "acme", "acme.eu"), (None, "mobile"), (None, "_raw", ".raw"), (False, True), (False, True)
        )
    ),
)
def test_every_combination_names_as_graphitesend_itself_does(
    prefix: str | None, group: str | None, suffix: str | None, lowercase: bool, squash: bool
) -> None:
    formatter = GraphiteStructuredFormatter(
        prefix=prefix,
        group=group,
        suffix=suffix,
        lowercase_metric_names=lowercase,
        fqdn_squash=squash,
        system_name=HOST,
        clean_metric_name=False,
    )
    naming = Naming(
        prefix=prefix,
        group=group,
        suffix=suffix,
        lowercase_metric_names=lowercase,
        fqdn_squash=squash,
        system_name=HOST,
    )
    assert rename(naming) == formatter("shop.6-6-1.Dau", 1, 60).split()[0]


@pytest.mark.parametrize(
    ("naming", "name"),
    [
        (Naming(prefix="acme", system_name="web.example"), "acme.web.example.shop.dau"),
        (Naming(prefix="", system_name="web.example"), "web.example.shop.dau"),
        (Naming(prefix="acme", fqdn_squash=True, system_name="web.example"), "acme.web_example.shop.dau"),
        (Naming(prefix="acme", group="mobile", system_name="web.example"), "acme.web.example.mobile.shop.dau"),
        (Naming(prefix="acme", system_name=""), "acme.shop.dau"),
        (Naming(suffix="_raw", system_name="web.example"), "systems.web.example.shop.dau_raw"),
        (Naming(suffix=".raw", system_name="web.example"), "systems.web.example.shop.dau.raw"),
        (Naming(lowercase_metric_names=True, system_name="web.example"), "systems.web.example.shop.dau"),
        (Naming(prefix="", system_name=""), "shop.dau"),
    ],
)
def test_the_table_of_the_documentation_holds(naming: Naming, name: str) -> None:
    assert rename(naming, "shop.dau") == name


def test_the_host_is_this_machine_where_none_is_given() -> None:
    assert rename(Naming(prefix="acme"), "dau") == f"acme.{platform.uname().node}.dau"


def test_lower_case_covers_prefix_and_metric() -> None:
    naming = Naming(prefix="ACME", group="Mobile", lowercase_metric_names=True, system_name=HOST)
    assert rename(naming) == "acme.web.example.mobile.shop.6-6-1.dau"


def test_dots_at_the_ends_make_no_empty_elements() -> None:
    naming = Naming(prefix=".acme.", group="mobile.", suffix=".raw.", system_name="")
    assert rename(naming, "dau") == "acme.mobile.dau.raw"


def test_parts_that_clean_to_nothing_are_left_out() -> None:
    assert rename(Naming(prefix="!", group="?", suffix="\n", system_name="#"), "dau") == "dau"


@given(st.builds(Naming, ANY_TEXT, ANY_TEXT, ANY_TEXT, st.booleans(), st.booleans(), ANY_TEXT))
def test_no_option_can_break_a_line(naming: Naming) -> None:
    (line,) = lines([Point(("shop", "dau"), 1, 60)], Names(naming.renamer()))
    name, value, timestamp = line.encode().decode().split()
    assert (value, timestamp) == ("1", "60.000")
    assert ";" not in name
    assert "shop.dau" in name


def test_values_keep_their_digits_under_a_naming() -> None:
    names = Names(Naming(prefix="acme", system_name="").renamer())
    assert lines([Point(("dau",), 1e-7, 60)], names) == ["acme.dau 1e-07 60.000"]
