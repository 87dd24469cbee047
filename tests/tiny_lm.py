"""The small decoder of the contract kit."""

from wareloom.testing.decoders import MARKS, TEMPLATE, tiny_decoder, write_decoder

tiny_lm = tiny_decoder

__all__ = ["MARKS", "TEMPLATE", "tiny_lm", "write_decoder"]
