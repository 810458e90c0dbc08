"""What a config-only service asks its vendor, and the one document that comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from importer.credentials import Secret
from importer.exporter.exchange import Call, Caller, PollFailed, Tries, document_of
from importer.exporter.json_api.oauth import Tokens
from importer.exporter.json_api.pages import PageRule, Target, joined
from importer.http_client import Response


@dataclass(frozen=True, slots=True)
class RequestRule:
    """The request, the same at each poll; its `repr` shows nothing that may be secret."""

    method: str
    path: str = field(repr=False)
    """Below the base of the host, with its query if it has one."""
    params: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    basic: tuple[str, Secret] | None = None
    bearer: Secret | None = None


class Source:
    """Gets the document of a service."""

    def __init__(self, rule: RequestRule, caller: Caller, *, tokens: Tokens | None, pages: PageRule | None) -> None:
        """With `tokens` the bearer of the rule is not used."""
        self._rule = rule
        self._caller = caller
        self._tokens = tokens
        self._pages = pages

    def document(self, tries: Tries) -> object:
        """Return the document, all pages joined; raises PollFailed, and Stopped."""
        start = Target(self._rule.path, self._rule.params)
        if self._pages is None:
            return self._fetch(start, tries)[0]
        return joined(self._pages, start, lambda target: self._fetch(target, tries))

    def close(self) -> None:
        """Close the connections."""
        self._caller.close()
        if self._tokens is not None:
            self._tokens.close()

    def _fetch(self, target: Target, tries: Tries) -> tuple[object, Mapping[str, str], str]:
        response, path = self._authorized(target, tries)
        return document_of(response, self._caller.shown(path)), response.headers, path

    def _authorized(self, target: Target, tries: Tries) -> tuple[Response, str]:
        """Return an answer; a token that has ended before its time is fetched again, once."""
        if self._tokens is None:
            return self._call(target, tries, self._rule.bearer)
        token, is_kept = self._tokens.get(tries)
        try:
            return self._call(target, tries, token)
        except PollFailed as failure:
            if failure.status != 401:
                raise
            self._tokens.forget()
            if not is_kept:
                raise
        return self._call(target, tries, self._tokens.get(tries)[0])

    def _call(self, target: Target, tries: Tries, bearer: Secret | None) -> tuple[Response, str]:
        rule = self._rule
        return self._caller.call(
            Call(rule.method, target.path, target.params, rule.headers, rule.body),
            tries,
            basic=(rule.basic[0], rule.basic[1].reveal()) if rule.basic else None,
            bearer=bearer.reveal() if bearer else None,
        )
