"""Samples of generators, screened and filled up to the size that was asked for."""
