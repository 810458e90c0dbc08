"""pp-collector: what a vendor says of a period becomes flat records for a data set, and points for the stores of today.

An entrypoint (`main` of a module that the query names) asks a vendor and turns its answer into records (`periods`,
`documents`, `plugins`); what it hands to the `outlet` is kept in the outbox and sent by the run.
"""
