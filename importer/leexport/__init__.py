"""leexportpy: statistics of logs, asked at periods, to dashboards, stores and queues.

`config` reads what to ask and where the answers go, `engine` asks again and again, and a module each knows a service.
"""
