"""How like real data synthetic data is."""
