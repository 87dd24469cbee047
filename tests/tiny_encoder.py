"""The tiny encoder of the contract kit, under the name that tests know."""

from wareloom.testing.encoders import tiny_encoder, write_encoder

__all__ = ["tiny_encoder", "write_encoder"]
