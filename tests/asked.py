"""The shops of queries of the contract kit, under the name that tests know."""

from wareloom.testing.asked import BRANDS, KINDS, THINGS, asked, titles, typed

__all__ = ["BRANDS", "KINDS", "THINGS", "asked", "titles", "typed"]
