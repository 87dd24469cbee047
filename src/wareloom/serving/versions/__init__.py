"""Versions and where they live: publishing, opening, a store or a bucket, slots, rules and products."""
