"""Engines: ways to reach the files inside a target. They carry bytes and know nothing of certificates."""
