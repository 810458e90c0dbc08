"""pp-collector, and the commands around it: recollect, timers, crontab, credentials of Google Analytics."""
