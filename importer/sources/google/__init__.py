"""Google Analytics: Core Reporting and Real Time v3, as stand-ins still speak them, and the Data API of GA4.

`client.GoogleClient` asks whichever the account and the id call for, and gives rows under the names of the query.
"""
