"""An event can tell who sent a web request, whichever framework took it."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from importer.events.client.request_detail import AGENT_FIELDS, agent, ua_string_dict

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 8_1 like Mac OS X)"
ENVIRONMENT = {
    "HTTP_USER_AGENT": PHONE,
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/shop",
    "REMOTE_ADDR": "10.0.0.5",
    "HTTP_COOKIE": "no concern of ours",
}
DETAIL = {
    "http_user_agent": PHONE,
    "request_method": "GET",
    "path_info": "/shop",
    "http_x_real_ip": "",
    "http_accept_language": "",
    "remote_addr": "10.0.0.5",
    "http_x_forwarded_for": "",
}
USER_AGENTS = """
class Family:
    def __init__(self, family, version_string=""):
        self.family = family
        self.version_string = version_string

class UserAgent:
    is_mobile = is_touch_capable = True
    is_tablet = is_pc = is_bot = False
    def __init__(self, text):
        self.browser = Family("Mobile Safari", "8.0")
        self.os = Family("iOS", "8.1")
        self.device = Family(text.partition("(")[2].partition(";")[0])

parse = UserAgent
"""
"""A package of the same interface as user-agents 2.2, which asks for a large data file."""


@pytest.fixture
def user_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package user_agents that can be imported."""
    (tmp_path / "user_agents.py").write_text(USER_AGENTS)
    monkeypatch.delitem(sys.modules, "user_agents", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "user_agents", __import__("user_agents"))


@pytest.fixture
def no_user_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "user_agents", None)


@pytest.mark.usefixtures("no_user_agents")
@pytest.mark.parametrize("attribute", ["META", "environ"])
def test_a_request_of_django_or_pyramid_tells_its_fields(attribute: str) -> None:
    assert agent(SimpleNamespace(**{attribute: ENVIRONMENT})) == DETAIL


@pytest.mark.usefixtures("no_user_agents")
def test_all_fields_are_there_whatever_the_request_lacks() -> None:
    detail = agent(SimpleNamespace(META={}))
    assert detail == dict.fromkeys(map(str.lower, AGENT_FIELDS), "")
    assert list(detail) == list(DETAIL)


@pytest.mark.usefixtures("user_agents")
def test_the_browser_is_told_where_the_package_for_it_is_installed() -> None:
    ua = {
        "is_mobile": True,
        "is_tablet": False,
        "is_touch_capable": True,
        "is_pc": False,
        "is_bot": False,
        "browser_family": "Mobile Safari",
        "browser_version": "8.0",
        "os_family": "iOS",
        "os_version": "8.1",
        "device_family": "iPhone",
    }
    assert ua_string_dict(PHONE) == ua
    assert agent(SimpleNamespace(META=ENVIRONMENT)) == {**DETAIL, "ua": ua}


@pytest.mark.usefixtures("no_user_agents")
def test_asking_for_the_browser_alone_says_that_the_package_is_missing() -> None:
    with pytest.raises(ImportError, match="user_agents"):
        ua_string_dict(PHONE)


def test_what_is_no_request_is_refused() -> None:
    with pytest.raises(AttributeError):
        agent(object())
