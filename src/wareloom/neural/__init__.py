"""The torch blocks and the one training loop. Importing this room asks for torch."""

from __future__ import annotations

import os

from wareloom.errors import missing_extra

# Threads that wait by spinning starve whatever else runs: on a busy machine an epoch took ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

try:
    import torch
except ModuleNotFoundError as error:
    raise missing_extra("torch", "neural", "A neural model") from error

__all__ = ["torch"]
