"""Baselines: popularity, transitions, neighbours."""
