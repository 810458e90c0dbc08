"""Crash analytics of mobile apps from the Apteligent (earlier Crittercism) REST API v1.0.

The vendor's hosts are gone (the product lives on as Omnissa Intelligence, another API); v1.0 is spoken by private
stand-ins and archives. `api` asks, `parse` reads the answers, and a module each collects what a command imports.
"""
