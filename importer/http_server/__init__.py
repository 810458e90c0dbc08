"""A small HTTP/1.1 server on asyncio and httptools, for whatever answers requests out of memory or a file.

`message` holds requests and answers, `limits` what a client may cost, `request_parser` turns bytes into requests,
`connection` has them answered one after the other, and `server` looks after all connections of a socket.
"""
