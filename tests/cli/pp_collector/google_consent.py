"""Google's page of consent and its token endpoint, played on loopback for an application that asks with PKCE."""

import base64
import hashlib
from urllib.parse import urlencode, urlsplit

from importer.simulators.base import Answer, HttpSimulator, Request

CLIENT_ID = "1234-abcd.apps.googleusercontent.com"
CLIENT_SECRET = "not-a-real-secret"
CODE = "4/0-example-code"
ACCESS_TOKEN = "ya29.first-example"
REFRESH_TOKEN = "1/fresh-example"
SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
WANTED = {
    "client_id": CLIENT_ID,
    "response_type": "code",
    "scope": SCOPE,
    "access_type": "offline",
    "prompt": "consent",
    "code_challenge_method": "S256",
}


class ConsentSimulator(HttpSimulator):
    """A user who agrees at once, or answers with `refusal`; the code is good once, for who has the verifier."""

    def __init__(self) -> None:
        super().__init__()
        self.refusal = ""
        self.granted = SCOPE
        self._asked: dict[str, str] = {}
        self.route("GET", "/auth", self._consent)
        self.route("POST", "/token", self._exchange)

    @property
    def client_secret(self) -> dict[str, object]:
        """What Google has its users download. Known once started."""
        uris = {"auth_uri": f"{self.url}/auth", "token_uri": f"{self.url}/token"}
        return {"installed": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **uris}}

    def _consent(self, request: Request) -> Answer:
        asked = dict(request.query)
        back = urlsplit(asked.get("redirect_uri", ""))
        if {key: asked.get(key) for key in WANTED} != WANTED or (back.scheme, back.hostname) != ("http", "127.0.0.1"):
            return Answer.json({"error": "invalid_request"}, status=400)
        self._asked = asked
        answer = {"error": self.refusal} if self.refusal else {"code": CODE, "scope": self.granted}
        location = f"{asked['redirect_uri']}/?{urlencode({'state': asked['state'], **answer})}"
        return Answer(302, {"Location": location})

    def _exchange(self, request: Request) -> Answer:
        form = request.form
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        wanted = {
            "grant_type": "authorization_code",
            "code": CODE,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uri": self._asked.get("redirect_uri"),
        }
        is_ours = challenge.decode().rstrip("=") == self._asked.get("code_challenge")
        if not is_ours or {key: form.get(key) for key in wanted} != wanted:
            return Answer.json({"error": "invalid_grant", "error_description": "Malformed auth code."}, status=400)
        self._asked = {}
        answer = {"access_token": ACCESS_TOKEN, "refresh_token": REFRESH_TOKEN, "expires_in": 3599}
        return Answer.json({**answer, "scope": self.granted, "token_type": "Bearer"})
