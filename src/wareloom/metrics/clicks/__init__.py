"""What predicted probabilities of clicks, or predicted ratings, are worth."""

from wareloom.metrics.clicks._curves import confusion, reliability

__all__ = ["confusion", "reliability"]
