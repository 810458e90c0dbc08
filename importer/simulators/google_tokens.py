"""The token endpoint of the simulated Google: refresh tokens and signed assertions for access tokens."""

from collections.abc import Mapping

from importer.simulators.http_wire import Answer, Request

CLIENT_ID = "1234-abcd.apps.googleusercontent.com"
CLIENT_SECRET = "not-a-real-secret"  # noqa: S105 - made up
REFRESH_TOKEN = "1/example"  # noqa: S105 - made up
LIFETIME_SECONDS = 3599
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPES = {"https://www.googleapis.com/auth/analytics", "https://www.googleapis.com/auth/analytics.readonly"}


class TokenEndpoint:
    """Gives access tokens, each of which replaces the one before.

    `service_accounts` maps an e-mail address to the public key, as PEM, that its assertions are checked with (which
    needs google-auth).
    """

    def __init__(self) -> None:
        self.refresh_token = REFRESH_TOKEN
        """May be changed to refuse the old one from now on."""
        self.service_accounts: dict[str, str] = {}
        self._issued = 0
        self._valid = ""

    @property
    def valid_token(self) -> str:
        """The access token that is accepted; empty for none."""
        return self._valid

    def accept(self, token: str) -> None:
        """Accept this access token from now on, and no other; an empty one is none."""
        self._valid = token

    def refusal(self, request: Request) -> Answer | None:
        """Return the 401 for a request without the present token; None for one that has it."""
        if self._valid and request.headers.get("authorization") == f"Bearer {self._valid}":
            return None
        message = "Request had invalid authentication credentials."
        errors = [{"domain": "global", "reason": "authError", "message": message, "location": "Authorization"}]
        error = {"code": 401, "message": message, "status": "UNAUTHENTICATED", "errors": errors}
        return Answer.json({"error": error}, status=401)

    def answer(self, request: Request) -> Answer:
        """Return a new access token, or why there is none."""
        form = request.form
        problem = self._problem(form, f"http://{request.headers.get('host', '')}{request.path}")
        if problem:
            return Answer.json({"error": "invalid_grant", "error_description": problem}, status=400)
        self._issued += 1
        self._valid = f"ya29.simulated-{self._issued}"
        answer = {"access_token": self._valid, "expires_in": LIFETIME_SECONDS, "token_type": "Bearer"}
        return Answer.json(answer)

    def _problem(self, form: Mapping[str, str], audience: str) -> str:
        if form.get("grant_type") == JWT_BEARER:
            return self._problem_of_assertion(form.get("assertion", ""), audience)
        if form.get("grant_type") != "refresh_token":
            return "Invalid grant_type."
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return "The OAuth client was not found."
        return "" if form.get("refresh_token") == self.refresh_token else "Token has been expired or revoked."

    def _problem_of_assertion(self, assertion: str, audience: str) -> str:
        from google.auth import exceptions, jwt  # on use: an extra

        try:
            claims = jwt.decode(assertion, verify=False)  # type: ignore[no-untyped-call]
            key = self.service_accounts[claims["iss"]]
            jwt.decode(assertion, certs=key, audience=audience)  # type: ignore[no-untyped-call]
        except (ValueError, KeyError, exceptions.GoogleAuthError) as error:
            return f"Invalid JWT: {error}"
        if claims["exp"] - claims["iat"] > 3600:
            return "Invalid JWT: it must be a short-lived token."
        return "" if claims.get("scope") in SCOPES else "Invalid JWT: scope is missing."
