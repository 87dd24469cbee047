"""Synthesizers of user behaviour."""
