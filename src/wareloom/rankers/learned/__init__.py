"""Rankers learned from features of items and requests beside behaviour."""
