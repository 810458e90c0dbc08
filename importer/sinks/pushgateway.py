"""A Pushgateway, from which Prometheus fetches what short-lived jobs have left there.

https://github.com/prometheus/pushgateway (checked 2026-11-25): POST replaces, within a group, what has the same names.
"""

import base64
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from importer.config import ObjectReader
from importer.credentials import Secret
from importer.errors import SinkRefused
from importer.http_client import HttpClient, RetryPolicy
from importer.http_request import base_url
from importer.sinks.exposition import CONTENT_TYPE, Samples, expose
from importer.sinks.http_push import HttpPush

DEFAULT_JOB = "metrics-importer"

_RETRIES = RetryPolicy(extra_attempts=1, max_waits=0)
"""What takes longer is for the lane to wait for: the samples are locked meanwhile."""
_PLAIN_SEGMENT = re.compile(r"[\w-][\w.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Group:
    """The grouping key of what we push: what others push under another one is left alone."""

    job: str = DEFAULT_JOB
    instance: str | None = None

    @classmethod
    def of_keys(cls, keys: ObjectReader, *, state: Path, host: str = "") -> Self:
        """Return the group that the keys job and instance describe; an empty instance is none.

        Whoever pushes knows the samples of its own state directory alone, and replaces all others of the same names
        in its group: so the instance is that directory on this host, unless the keys have one.
        """
        pusher = f"{host or platform.node()}:{state.absolute()}"
        instance = keys.text("instance", pusher, allow_empty=True)
        return cls(keys.text("job", DEFAULT_JOB), instance or None)

    @property
    def path(self) -> str:
        """The path of the group below a Pushgateway's address."""
        instance = "" if self.instance is None else f"/{_segments('instance', self.instance)}"
        return f"/metrics/{_segments('job', self.job)}{instance}"


def _segments(name: str, value: str) -> str:
    """Return a label as Pushgateway has it in a path; in base64 where it might be taken for several segments."""
    if _PLAIN_SEGMENT.fullmatch(value):
        return f"{name}/{value}"
    return f"{name}@base64/{base64.urlsafe_b64encode(value.encode('utf-8', 'replace')).decode()}"


class Pushgateway:
    """A group at a Pushgateway. It gets all samples each time, and so has them again after it lost its memory.

    Raises ValueError for a URL that is none.
    """

    def __init__(self, url: str, group: Group, *, username: str = "", password: Secret | None = None) -> None:
        self._path = group.path
        self.lane = f"prometheus+{base_url(url)}{self._path}"
        self._credentials = None if password is None else (username, password)
        self._push = HttpPush(
            self.lane, HttpClient(url, retries=_RETRIES), hint="correct pushgateway, username or password"
        )

    @classmethod
    def from_keys(cls, keys: ObjectReader, *, state: Path) -> Self:
        """Return the outlet that the keys pushgateway, job, instance, username and password describe.

        `state` is the directory in which the samples are kept.
        """
        url = keys.text("pushgateway")
        try:
            base_url(url)
        except ValueError as error:
            if url:
                keys.problem("pushgateway", str(error))
            url = "localhost"
        username, password = keys.text("username", None), keys.secret("password", None)
        if (username is None) != (password is None):
            keys.problem("username", "and password, or password_file, are given together or not at all")
        group = Group.of_keys(keys, state=state)
        return cls(url, group, username=username or "", password=password)

    def publish(self, samples: Samples) -> None:
        """Push all samples; raises SinkUnavailable, SinkRefused, or Rejected where they contradict others there."""
        response = self._push.ask(
            "POST", self._path, basic=self._basic(), body=expose(samples), headers={"Content-Type": CONTENT_TYPE}
        )
        if response.status == 413:  # not the fault of the payload in hand
            raise SinkRefused(self.lane, "HTTP 413: let the proxy take larger bodies, or set expire_seconds")
        self._push.expect_success(response)

    def check(self) -> str:
        """Return that it is ready; raises SinkUnavailable or SinkRefused."""
        self._push.send("GET", "/-/ready", basic=self._basic())
        return "is ready"

    def close(self) -> None:
        """Close the connections that are kept."""
        self._push.close()

    def _basic(self) -> tuple[str, str] | None:
        return None if self._credentials is None else (self._credentials[0], self._credentials[1].reveal())
