"""The header that carries an access token."""

ACCESS_TOKEN_HEADER = "AUTHORIZATION"  # noqa: S105 - the name of a header
"""As clients send it; the names of headers are the same in small letters."""
WSGI_ENV_ACCESS_TOKEN_HEADER = "HTTP_AUTHORIZATION"  # noqa: S105 - as above
"""Its key in a WSGI environment."""
SCHEME = "Token"
"""What stands before the token."""


def extract_token(header: str) -> str:
    """Return the token of a header; other schemes are no tokens, and stay what they are.

    >>> [extract_token(header) for header in ("Token abc", "Tokenabc", " abc ", "", "Bearer abc")]
    ['abc', 'abc', 'abc', '', 'Bearer abc']
    """
    return header.strip().removeprefix(SCHEME).lstrip()
