"""Secrets from a HashiCorp Vault, for users' classes: by the package hvac, which only they need."""

from importlib import import_module
from typing import Any

_DATABASE = "database"
_KV_VERSION_2 = "kv_version_2"


def login_to_vault_approle(vault_address: str, vault_role_id: str, vault_secret_id: str) -> Any:
    """Return a client of hvac that is logged in by an AppRole; raises what hvac raises, ImportError without it."""
    hvac = import_module("hvac")  # on use: nobody else needs it, and it is no requirement of ours
    vault = hvac.Client(url=vault_address)
    vault.auth.approle.login(role_id=vault_role_id, secret_id=vault_secret_id)
    return vault


def read_secret(vault: Any, secret_path: str, secret_engine: str | None = None) -> Any:
    """Return what a Vault has at a path; of the engines "database" and "kv_version_2" the secret alone."""
    answer = vault.read(secret_path)
    if secret_engine == _DATABASE:
        return answer["data"]
    return answer["data"]["data"] if secret_engine == _KV_VERSION_2 else answer
