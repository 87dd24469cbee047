"""What a trained ranker or a synthetic shop is measured by, on real held-out data."""
