"""What predicted probabilities of clicks, or predicted ratings, are worth."""

from wareloom.metrics.clicks.curves import confusion, reliability

__all__ = ["confusion", "reliability"]
