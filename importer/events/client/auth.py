"""A client's side of the tokens. It imports requests, which servers do without."""

import requests.auth
from requests import PreparedRequest

from importer.credentials import register
from importer.events.tokens.headers import ACCESS_TOKEN_HEADER


class RequestsAccessTokenAuth(requests.auth.AuthBase):
    """Sends a token with each request: `requests.get(url, auth=RequestsAccessTokenAuth(token))`."""

    def __init__(self, access_token: str) -> None:
        register(access_token)  # no Secret, since programs read the attribute; our logs mask it all the same
        self.access_token = access_token

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """Return the request, with the token in it."""
        r.headers[ACCESS_TOKEN_HEADER] = f"Token {self.access_token}"
        return r
