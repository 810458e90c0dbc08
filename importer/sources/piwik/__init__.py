"""Piwik, today Matomo: any method of the Reporting API, by day, week or month."""
