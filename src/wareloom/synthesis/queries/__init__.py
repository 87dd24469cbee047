"""Synthesizers of search queries: what somebody who looks for a product might type."""
