"""Statistics of logs from the Logentries query API, today Rapid7's Log Search.

`config` reads whom to ask and what, `api` asks, `statistics` reads the answers.
"""
