"""What gates look at, each piece found when a gate first asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from wareloom.attacks import AttackReport, Maker, run_attacks
from wareloom.core.run import Run
from wareloom.core.state import read_json
from wareloom.errors import InputError, SettingError, SourceError
from wareloom.evaluation.compare import CompareSettings, Comparison, compare
from wareloom.privacy import STAMP
from wareloom.privacy.ledger import Ledger
from wareloom.release.earlier import joined, left
from wareloom.release.policy import Policy
from wareloom.release.tables import leaving
from wareloom.release.texts import (
    Bad,
    invented_numbers,
    rare_cells,
    with_personal_data,
    without,
)
from wareloom.shop import Shop
from wareloom.shop.keeps import Keeps

MIXED = "real + synthetic"
"""The arm that a proof decides by, as `proof.json` calls it"""


@dataclass(frozen=True)
class Evidence:
    """A sample, the shop it was made of, and what is known of both."""

    shop: Shop
    synth: Shop
    policy: Policy
    ledger: Ledger
    run: Run
    holdout: Shop | None = None
    proof: Path | None = None
    earlier: Mapping[str, Shop] = field(default_factory=dict)
    """Releases of this shop that left before, by their digests; see `wareloom.release.earlier`"""
    leave_out: bool = False
    """Whether rows that two gates object to are left out beforehand"""
    generator: Maker | None = None
    """What made the sample, so that remedies can be measured; None measures none"""

    @property
    def keeps(self) -> Keeps:
        """What the sample says that it holds of real users; who says "private" has to bring an account of it."""
        said = self.synth.keeps or "people"
        return "counts" if said == "private" and self.stamp is None else said

    @property
    def stamp(self) -> Mapping[str, Any] | None:
        """What the generator's mechanisms said of themselves; None where there is nothing."""
        stamp = self.synth.meta.get(STAMP)
        return stamp if isinstance(stamp, dict) else None

    @cached_property
    def brands(self) -> tuple[str, ...]:
        """Brands of the catalogue, which are no names of people."""
        for shop in (self.shop, self.synth):
            if shop.has("items", "brand"):
                found = shop.scan("items").select("brand").unique().collect()["brand"]
                return tuple(sorted(found.drop_nulls()))
        return ()

    @cached_property
    def _leaving(self) -> Shop:
        return leaving(self.synth, self.policy, self.shop)

    @cached_property
    def personal(self) -> Bad:
        """Rows with personal data, of what would leave."""
        invented = invented_numbers(self.shop, self.synth)
        return with_personal_data(self._leaving, self.brands, invented)

    @cached_property
    def cells(self) -> Bad:
        """Rows with queries and values of attributes that few real users have, of what would leave."""
        least = self.policy.min_users
        return rare_cells(self.shop, self._leaving, least if isinstance(least, int) else 1)

    @cached_property
    def goes(self) -> Shop:
        """What leaves if all gates are passed."""
        return (
            without(self._leaving, self.personal, self.cells) if self.leave_out else self._leaving
        )

    @cached_property
    def attacks(self) -> AttackReport:
        """What attacks tell of this sample, with those that left before; raises `InputError` without a holdout."""
        synth = joined(self.synth, list(self.earlier.values()))
        report = run_attacks(
            self.shop,
            synth,
            self._held("attacks"),
            self.run,
            names=self.policy.attacks or None,
        )
        if not report.evidence:
            raise InputError(
                f"No attack could be made, so that {self.policy.preset!r} cannot be held: {report.left_out}."
            )
        return report

    @cached_property
    def comparison(self) -> Comparison:
        """How like real behaviour the sample is, by the measures that the policy names."""
        named = tuple(dict.fromkeys(name.split(".")[0] for name in self.policy.fidelity))
        return compare(
            self.shop, self.synth, self.holdout, CompareSettings(measures=named), run=self.run
        )

    @cached_property
    def ledgers(self) -> tuple[Ledger, ...]:
        """The ledgers that a release is written into: the shop's, and that of the whole shop that it is a part of."""
        told = self.shop.path.resolve().parent / "split.json" if self.shop.path else None
        if told is None or not told.is_file():
            return (self.ledger,)
        whole = read_json(told).get("of")
        if not isinstance(whole, str) or whole == self.ledger.fingerprint:
            return (self.ledger,)
        return self.ledger, Ledger.open(self.ledger.path.parent, whole)

    def releases(self) -> int:
        """Releases of this shop until now, and of other parts of the same one."""
        return max(len(left(ledger)) for ledger in self.ledgers)

    @cached_property
    def unseen(self) -> list[str]:
        """Digests of releases that left before and are not among `earlier`."""
        gone = {digest for ledger in self.ledgers for digest in left(ledger)}
        return sorted(gone - set(self.earlier))

    @cached_property
    def lift(self) -> dict[str, Any]:
        """The decisive comparison of the proof; raises `SettingError` without one, `SourceError` where it is none."""
        if self.proof is None:
            raise SettingError("The policy has a floor of utility (lift): give --proof FOLDER.")
        path = self.proof / "proof.json" if self.proof.is_dir() else self.proof
        data = read_json(path)
        try:
            decisive = data["decisive"]
            (row,) = (
                one
                for one in data["comparisons"]
                if one["arm"] == MIXED
                and one["slice"] == "all"
                and all(one[key] == decisive[key] for key in ("ties", "metric", "against"))
            )
            return dict(row)
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(
                f"{path} is no proof with a decisive comparison: prove it again."
            ) from error

    def _held(self, what: str) -> Shop:
        if self.holdout is None:
            raise InputError(
                f"The policy {self.policy.preset!r} asks for {what}: give --holdout with other users of the same draw, "
                "which the generator never saw (wareloom split SHOP --by user)."
            )
        return self.holdout
