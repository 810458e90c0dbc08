# ruff: noqa - a file of a user
"""Helpers as a user of Collectington keeps them beside a class."""

from datetime import datetime, timedelta


def read_secret_lines(path):
    with open(path) as file:
        return [line.strip().replace('"', "") for line in file]


def get_credentials(path):
    credentials = {}
    for line in read_secret_lines(path):
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            credentials[key] = value
    return credentials


def get_iso_time_minutes_ago(minutes):
    return (datetime.utcnow() - timedelta(minutes=minutes)).replace(microsecond=0).isoformat()
