"""cton: any API's figures, polled at an interval and shown to Prometheus.

A service is a user's class (`class_service`) or nothing but configuration (`json_service`); both are a `base.Service`,
which turns a poll into `family.Family` objects. `engine` polls each in its own thread, `page` holds what a scrape gets,
and `scrape_server` hands it out.
"""
