"""How a proof is told on a terminal: its verdict, the comparisons that decide, what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wareloom.cli._summary import Style, Summary

if TYPE_CHECKING:
    from wareloom.experiment.result import Proof

STYLES: dict[str, Style] = {
    "helps": "good",
    "helps, but": "warn",
    "embedding suffices": "warn",
    "hurts": "bad",
}
ROWS = 4
"""Comparisons that are shown; the page has all"""


def told(proof: Proof) -> Summary:
    """The summary of a proof; where it lies is the caller's to add.

    Comparisons with the controls that decide stand first, the decisive one above all.
    """
    from wareloom.experiment.plan import MIXED
    from wareloom.proof.decide import signed
    from wareloom.proof.frozen import frozen

    decisive, story = proof.data["decisive"], proof.data["story"]
    first = [decisive["against"], *decisive["controls"]]
    rows = [row for row in proof.headline().iter_rows(named=True) if row["lift"] is not None]
    order = {name: place for place, name in reversed(list(enumerate(first)))}
    rows.sort(key=lambda row: (row["arm"] != MIXED, order.get(row["against"], len(first))))
    found = Summary(str(proof), STYLES.get(proof.verdict, "strong"))
    found.table(
        ("arm", "against", "lift", "95 %", "p", "verdict"),
        [
            (
                row["arm"],
                row["against"],
                signed(row["lift"]),
                f"{signed(row['lift_low'])} to {signed(row['lift_high'])}",
                f"{row['p']:.2g}",
                row["verdict"],
            )
            for row in rows[:ROWS]
        ],
    )
    found.warn(*frozen(proof.data))
    # Whether rows help or labels do is told however little room there is.
    found.fact("rows", story["rows"])
    found.note(story["finding"], *story["references"], story["slices"], story["power"])
    return found.next(*story["next"][:1])
