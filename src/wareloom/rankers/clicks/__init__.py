"""Models of clicks: how likely an item is chosen where it is shown."""
