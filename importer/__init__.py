"""Import metrics from vendors' APIs into the stores that a team runs.

The way of the data is read in three modules: `importer.cli` parses a command line and builds a job,
`importer.job` runs it (source, points, outbox, sink), `importer.outbox` keeps what was imported until
`importer.delivery` has brought it to every destination.

Promised to users are the commands, their configuration files and the interfaces in
`importer.sources.base` and `importer.sinks.base`.
"""

__version__ = "2.0.0"
