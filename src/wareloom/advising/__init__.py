"""Advice: from a shop to its best system and what synthesis adds to it, within the minutes that are given."""

from wareloom.advising.advise import Advice, advise, planned
from wareloom.advising.settings import AdviceSettings

__all__ = ["Advice", "AdviceSettings", "advise", "planned"]
