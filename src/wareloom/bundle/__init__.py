"""Model bundles: one folder with all that answers need, checked when it is opened.

    bundle = write_bundle("bundle", ranker=ranker, shop=train, recipe=recipe, choice=choice, proof=note, seed=1)
    bundle = Bundle.open("bundle")
    bundle.rank(Requests.sessions([["i3", "i4"]]), k=10)

A bundle is opened without the rooms that made it: proofs, reports and recipes stay where they are.
"""

from wareloom.bundle._bundle import Bundle, Difference
from wareloom.bundle._files import stored as files_of
from wareloom.bundle._manifest import (
    MANIFEST,
    Made,
    Manifest,
    Named,
    ProofNote,
    Stored,
    read_manifest,
    write_manifest,
)
from wareloom.bundle._write import write_bundle

__all__ = [
    "MANIFEST",
    "Bundle",
    "Difference",
    "Made",
    "Manifest",
    "Named",
    "ProofNote",
    "Stored",
    "files_of",
    "read_manifest",
    "write_bundle",
    "write_manifest",
]
