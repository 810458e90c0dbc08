"""Old import path of what is read from a web request."""

from importer.events.client.request_detail import AGENT_FIELDS, agent, ua_string_dict

__all__ = ["AGENT_FIELDS", "agent", "ua_string_dict"]
