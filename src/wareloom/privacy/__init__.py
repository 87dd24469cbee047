"""Differential privacy with the user as the unit: ledger, accounting, noise, bounds, public columns, audit.

It knows shops and no generator. What is written on `Private` touches no real number that was not paid for.
"""
