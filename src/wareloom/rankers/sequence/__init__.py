"""Rankers that read a history in its order."""
