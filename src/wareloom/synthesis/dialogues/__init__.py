"""Synthesizers of customer-service dialogues: world, plan, words and check, one stage a file."""
