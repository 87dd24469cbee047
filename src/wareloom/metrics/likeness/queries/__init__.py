"""How like real queries synthetic queries are: each measure beside its floor."""
