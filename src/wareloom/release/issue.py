"""Releases: a sample passes all gates of its policy and is written with a certificate, or nothing is written."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wareloom.core.files import landing, replacing
from wareloom.core.keys import check_key
from wareloom.core.state import write_json, write_whole
from wareloom.errors import GateError, InputError, OutputError
from wareloom.release import certificate
from wareloom.release.earlier import purpose_of
from wareloom.release.evidence import Evidence
from wareloom.release.gates import GATES, Check
from wareloom.release.places import inside_of
from wareloom.release.tables import MARK, written
from wareloom.shop import Shop


@dataclass(frozen=True)
class Released:
    """A release that was written."""

    folder: Path
    checks: tuple[Check, ...]
    certificate: dict[str, Any]
    inside: Path
    """What was measured on real users; it stays"""

    def to_json(self) -> dict[str, Any]:
        """All of it, for those inside."""
        return {
            "passed": True,
            "release": str(self.folder),
            "inside": str(self.inside),
            "checks": [check.to_json() for check in self.checks],
            "certificate": self.certificate,
        }

    def __str__(self) -> str:
        passed = "\n".join(f"  {check.name}: {check.said}" for check in self.checks)
        sign = "signed" if self.certificate["signature"] else "not signed (--key signs)"
        return (
            f"All {len(self.checks)} gates of {self.certificate['policy']['preset']!r} are passed:\n{passed}\n"
            f"Release: {self.folder}, {sign}; whoever has it asks wareloom verify {self.folder}\n"
            f"Stays inside: {self.inside}"
        )


def judged(evidence: Evidence) -> tuple[Check, ...]:
    """What every gate of the policy says of a sample; those that are off are left out."""
    with evidence.run.task("gates", total=len(GATES)) as advance:
        found = []
        for gate in GATES.values():
            found.append(gate(evidence))
            advance()
    return tuple(check for check in found if check is not None)


def refused(checks: tuple[Check, ...], policy: str) -> GateError:
    """The error for gates that were not passed: each by how much, and the remedy."""
    failed = [check for check in checks if not check.passed]
    lines = [f"  {one.name}: {one.said}.\n    Remedy: {one.remedy}." for one in failed]
    return GateError(
        f"Nothing was released: {len(failed)} of {len(checks)} gates of {policy!r} failed.\n"
        + "\n".join(lines)
    )


def release(evidence: Evidence, to: str | Path, key: Path | None = None) -> Released:
    """Write the release of a sample to the folder `to`, or raise `GateError` and write nothing.

    `key`: the file of an Ed25519 key that signs the certificate. Each release is written into the shop's ledger first.
    The folder is written beside and renamed: a process that is killed leaves no half of it.
    """
    to = Path(to)
    _check_places(to, evidence)
    signer = None
    if key is not None:
        check_key(key, to, *_folders(evidence))
        signer = certificate.private_key(key)
    for shop in (evidence.shop, evidence.synth):
        shop.verify()
    checks = judged(evidence)
    if not all(check.passed for check in checks):
        raise refused(checks, evidence.policy.preset)
    inside, policy = inside_of(to), evidence.policy
    with replacing(to, marker=certificate.NAME) as partial:
        leaves, mark = evidence.goes.keeping(evidence.keeps), _mark(policy.preset)
        leaves.meta.update(mark)
        written(leaves, partial, weights=policy.columns == "all")
        names = [check.name for check in checks]
        made = certificate.drawn_up(partial, policy, evidence.keeps, evidence.stamp, names)
        made |= mark
        made = certificate.signed(made, signer) if signer else made
        made |= {"digest": certificate.digest(made)}
        write_json(partial / certificate.NAME, made)
        # Counted before it is there: a process that is killed here has counted one too many, never one too few.
        for ledger in evidence.ledgers:
            ledger.note(purpose_of(policy.preset, evidence.keeps, made["digest"]))
        _check_count(evidence)
        write_whole(inside, _measured(evidence, checks, made))
    return Released(to, checks, made, inside)


def _mark(preset: str) -> dict[str, str]:
    """A mark of the release by which what is made of it is known; releases that stay inside have none."""
    return {} if preset == "inside" else {MARK: secrets.token_hex(8)}


def _check_count(evidence: Evidence) -> None:
    """Raise `GateError` where another process has released meanwhile and this one is one too many."""
    most = evidence.policy.releases
    number = evidence.releases()
    if most != "off" and number > most:
        raise GateError(
            f"Nothing was released: {number} releases of this shop are in its ledger, and the policy takes {most}."
        )


def _measured(
    evidence: Evidence, checks: tuple[Check, ...], made: dict[str, Any]
) -> dict[str, Any]:
    """What `inside.json` holds: all that was measured on real users, which is not private itself."""
    seen = vars(evidence)
    attacks, compared = seen.get("attacks"), seen.get("comparison")
    shops = {"real": evidence.shop, "synthetic": evidence.synth, "holdout": evidence.holdout}
    return {
        "version": 1,
        "stays_inside": "measured on real users: not private itself",
        "digest": made["digest"],
        "seed": evidence.run.seed,
        "policy": evidence.policy.to_json(),
        "checks": [check.to_json() for check in checks],
        "attacks": attacks.to_json() if attacks is not None else None,
        "comparison": compared.data if compared is not None else None,
        "ledger": evidence.ledger.to_json(),
        "shops": {name: _shop(shop) for name, shop in shops.items() if shop is not None},
    }


def _shop(shop: Shop) -> dict[str, Any]:
    rows = {name: shop.rows(name) for name in shop.names}
    return {"path": str(shop.path or ""), "fingerprint": shop.fingerprint, "rows": rows}


def _folders(evidence: Evidence) -> list[Path]:
    shops = (evidence.shop, evidence.synth, evidence.holdout)
    return [shop.path for shop in shops if shop is not None and shop.path is not None]


def _check_places(to: Path, evidence: Evidence) -> None:
    """Raise `OutputError` where the release would lie in a shop, or a shop in it."""
    place = landing(to).resolve()
    for folder in _folders(evidence):
        other = folder.resolve()
        if place == other or other in place.parents or place in other.parents:
            raise OutputError(
                f"{to} and the shop {folder} lie in one another: what leaves needs a folder of its own for --to."
            )
    if evidence.holdout is not None and evidence.holdout.fingerprint == evidence.shop.fingerprint:
        raise InputError(
            "The holdout is the shop itself: give other users, which the generator never saw."
        )
