"""Rankers of search: what is looked for, in words."""
