"""What the INI file and the environment tell the stats service, and the stores and users that follow from it.

`settings` holds all of it and is what others ask; `ini_file` reads the text, `directory` finds the outbox's place,
`stores` reads the keys of InfluxDB and Kafka, and `log_setup` logs as the file says.
"""
