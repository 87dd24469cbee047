"""Differential privacy with the user as the unit: ledger, accounting, noise, bounds, public columns, audit.

It knows shops and no generator. What is written on `Private` touches no real number that was not paid for.
"""

STAMP = "privacy"
"""Where the `meta` of a private generator's sample has what `Private.stamp` returned: a release reads it there"""
