"""What is done to a shop: the door, cleaning, splits, segments, features."""
