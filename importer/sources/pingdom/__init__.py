"""Pingdom: response time and uptime of checks, from API 3.1, or 2.0 where something still speaks it."""
