"""The moment: of a ledger's age and of a certificate's day. Nothing else of a release has a clock."""

from __future__ import annotations

import datetime


def now() -> datetime.datetime:
    """The moment, in UTC."""
    return datetime.datetime.now(datetime.UTC)
