"""Measures of synthetic dialogues beside real ones."""
