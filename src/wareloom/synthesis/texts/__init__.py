"""Texts of products: titles, descriptions, ads and keywords that say no more than the item's fields do."""
