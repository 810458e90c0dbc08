"""Ask the Reporting API of Piwik, today Matomo. The token goes in the body of a POST and nowhere else.

Matomo 5 refuses tokens for secure requests only in an address: https://matomo.org/faq/general/faq_114, looked at in
November 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from importer.collector.content import address
from importer.collector.vendor import RETRIES, Vendor
from importer.config import ObjectReader
from importer.credentials import Secret, redact
from importer.errors import BadAnswer
from importer.http_client import RetryPolicy
from importer.proxies import read_proxies

SOURCE = "piwik"


@dataclass(frozen=True, slots=True)
class Access:
    """Where Piwik's index.php is, and the token of a user who may view the site."""

    url: str
    token: Secret
    proxies: Mapping[str, str] | None = None


def read_access(keys: ObjectReader) -> Access:
    """Return what a credentials file of pp-collector says; raises ConfigError with every mistake in it."""
    access = Access(address(keys, "url"), keys.secret("token_auth"), read_proxies(keys))
    keys.finish(refuse_unknown=False)
    return access


class PiwikApi:
    """One user's view of the API. Raises ValueError for what is no address."""

    def __init__(self, access: Access, *, retries: RetryPolicy = RETRIES) -> None:
        self._token = access.token
        self._vendor = Vendor(SOURCE, access.url, proxies=access.proxies, retries=retries)

    def ask(self, parameters: Mapping[str, str]) -> object:
        """Return the answer to a method with its parameters; raises SourceError, with the vendor's text.

        Piwik tells its errors with HTTP 200: they are found by `result` in the answer.
        """
        form = {"module": "API", "format": "json", "token_auth": self._token.reveal(), **parameters}
        answer = self._vendor.ask_json(method="POST", form=form)
        if isinstance(answer, Mapping) and answer.get("result") == "error":
            raise BadAnswer(SOURCE, redact(str(answer.get("message") or "an error without a message")))
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._vendor.close()
