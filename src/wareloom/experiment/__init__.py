"""Experiments: cells, who computes them, what comes out."""
