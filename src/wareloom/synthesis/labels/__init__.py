"""Synthesizers of relevance labels: how well a product answers a query, without asking a person."""
