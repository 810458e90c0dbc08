"""The client of a Backdrop and of its administration: what is written, how it looks on the wire, what comes back.

`BaseClient`, `DataSet`, `AdminAPI` and `CollectorAPI` are what old code imports as `performanceplatform.client`.
"""
