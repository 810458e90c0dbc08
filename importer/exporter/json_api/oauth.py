"""OAuth2 client credentials: a token that is fetched when it is needed, kept until it is about to end."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlencode

from importer.credentials import Secret
from importer.exporter.base import FaultKind
from importer.exporter.exchange import Call, Caller, PollFailed, Tries, document_of

SPARE_SECONDS = 30.0
"""How long before its end a token is no longer used."""

_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """What a token is asked for with (RFC 6749, section 4.4)."""

    client_id: str
    client_secret: Secret
    path: str = field(repr=False)
    """Of token_url, below the base of its host."""
    scopes: Sequence[str] = ()
    endpoint_params: Mapping[str, str] = field(default_factory=dict, repr=False)


class Tokens:
    """The token of one service."""

    def __init__(
        self, credentials: ClientCredentials, caller: Caller, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._credentials = credentials
        self._caller = caller
        self._clock = clock
        self._token: Secret | None = None
        self._ends_at: float | None = None
        self._in_body = False

    def get(self, tries: Tries) -> tuple[Secret, bool]:
        """Return a token, and whether it is one from before; raises PollFailed."""
        if self._token is not None and (self._ends_at is None or self._clock() < self._ends_at):
            return self._token, True
        try:
            return self._fetch(tries), False
        except PollFailed as failure:
            raise failure.within("oauth2") from failure

    def forget(self) -> None:
        """Fetch another token next time."""
        self._token = None

    def close(self) -> None:
        """Close the connections."""
        self._caller.close()

    def _fetch(self, tries: Tries) -> Secret:
        begin = self._clock()
        answer = self._answer(tries)
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            where = self._caller.shown(self._credentials.path)
            raise PollFailed(FaultKind.ANSWER, f"the answer from {where} has no access_token")
        seconds = _seconds(answer)
        self._token = Secret(token, is_passing=True)
        self._ends_at = None if seconds is None else begin + seconds - SPARE_SECONDS
        return self._token

    def _answer(self, tries: Tries) -> object:
        """Return the answer to our credentials in the header or, where that is refused, in the body.

        A vendor has to take the former, and some take the latter alone (RFC 6749, section 2.3.1).
        """
        try:
            return self._ask(tries, in_body=self._in_body)
        except PollFailed as failure:
            if self._in_body or failure.status not in (400, 401):
                raise
        answer = self._ask(tries, in_body=True)
        self._in_body = True
        return answer

    def _ask(self, tries: Tries, *, in_body: bool) -> object:
        known = self._credentials
        identity = (known.client_id, known.client_secret.reveal())
        fields = {"grant_type": "client_credentials", **known.endpoint_params}
        if known.scopes:
            fields["scope"] = " ".join(known.scopes)
        if in_body:
            fields |= {"client_id": identity[0], "client_secret": identity[1]}
        call = Call("POST", known.path, headers=_FORM, body=urlencode(fields).encode())
        basic = None if in_body else (quote_plus(identity[0]), quote_plus(identity[1]))
        response, path = self._caller.call(call, tries, basic=basic)
        return document_of(response, self._caller.shown(path))


def _seconds(answer: object) -> float | None:
    """Return for how long a token is good, if the answer says."""
    seconds = answer.get("expires_in") if isinstance(answer, dict) else None
    if isinstance(seconds, str) and seconds.isdecimal():
        return float(seconds)
    return float(seconds) if isinstance(seconds, int | float) and not isinstance(seconds, bool) else None
