"""Proof: does synthetic data help on real held-out data, against fair controls, beyond chance?"""
