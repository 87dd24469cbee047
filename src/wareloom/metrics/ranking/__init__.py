"""How well a ranking puts the relevant items first."""
