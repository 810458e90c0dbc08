"""Old import path of what the first releases had for services: secrets, times, a Vault."""

from importer.exporter.secrets_file import (
    convert_list_of_key_value_pairs_to_dict,
    get_credentials_from_secret_file,
    read_file_content_into_list,
)
from importer.exporter.user_class.iso_time import get_iso_timestamp_x_min_ago, get_latency_seconds
from importer.exporter.user_class.vault import login_to_vault_approle, read_secret

__all__ = [
    "convert_list_of_key_value_pairs_to_dict",
    "get_credentials_from_secret_file",
    "get_iso_timestamp_x_min_ago",
    "get_latency_seconds",
    "login_to_vault_approle",
    "read_file_content_into_list",
    "read_secret",
]
