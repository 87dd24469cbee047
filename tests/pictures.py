"""The drawn pictures of the contract kit, under the name that tests know."""

from wareloom.testing.pictures import encoded, ring_of_pictures, spot

__all__ = ["encoded", "ring_of_pictures", "spot"]
