"""What a shop is: schema, typed tables in a folder, cleaning, splits, statistics."""

from wareloom.shop.log import Log
from wareloom.shop.requests import Requests
from wareloom.shop.shop import Shop
from wareloom.shop.vocabulary import Vocabulary

__all__ = ["Log", "Requests", "Shop", "Vocabulary"]
