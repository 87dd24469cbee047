"""How wide and how fresh the lists are."""
