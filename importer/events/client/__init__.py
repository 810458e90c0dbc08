"""The library that programs send events with: `analytics` is what they use; nothing of the service is needed for it.

A `queue` posts beside the program, over the connections of a `session`, with the token of `auth`.
"""
