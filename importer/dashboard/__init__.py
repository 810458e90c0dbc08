"""A page for people: how the commands are, what waits for which destination, and what the embedded store holds.

`overview`, `expectation` and `last_error` say what the outboxes tell, `snapshot` looks at them once for all who watch,
`series` and `catalogue` read the embedded store, `api` answers what the page asks, `access` decides who may ask, and
`app` and `server` bring it to a port. Nothing here writes: neither to an outbox nor to a store.
"""
