"""Access tokens: `token` makes and verifies them, `users` and `authorization` say who may do what with one.

`manager` and `middleware` are what the library apiaccesstoken offers to other programs.
"""
