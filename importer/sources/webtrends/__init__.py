"""Webtrends: key metrics of a profile and reports, from the Data Extraction API v2 or v3, on premises today."""
