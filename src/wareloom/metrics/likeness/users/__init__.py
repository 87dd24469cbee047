"""How like real behaviour synthetic behaviour is: each measure beside its floor."""
