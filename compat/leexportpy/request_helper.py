"""Old import path of the requests to the query API."""

from importer.leexport.request_helper import (
    QUERY_URL,
    do_get_le_url,
    do_post_json_to_le,
    generate_headers,
    get_continuity_final_response,
    get_le_api_key,
    post_le_search,
)

__all__ = [
    "QUERY_URL",
    "do_get_le_url",
    "do_post_json_to_le",
    "generate_headers",
    "get_continuity_final_response",
    "get_le_api_key",
    "post_le_search",
]
