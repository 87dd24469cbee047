"""Vectors and encoders: searching them, reading queries, publishing and shrinking what reads them."""
