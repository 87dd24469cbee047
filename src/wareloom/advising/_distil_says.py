"""What the page says of distilling: whether the generator's knowledge does as much without a synthetic row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wareloom.advising._facts import lift, proved, value_of
from wareloom.experiment.plan import DIRECT, FEATURES, TEACHER
from wareloom.proof.decide import signed

Data = Mapping[str, Any]
TOLD = 0.05
"""Lift from which two ways to teach one network are told apart, as each was tried once"""


def of_distilling(data: Data) -> list[str]:
    """Other uses of a generator's knowledge beside its shoppers, and whether they were tried."""
    proof, said = data.get("proof"), []
    light = (data.get("generators") or {}).get("light") or {}
    if light and light["real"]:
        system = proved(data)
        value = value_of(data, system)
        gain = light["mixed"] / light["real"] - 1
        said.append(
            f"Before the test part, shoppers of {light['label']} took {light['ranker']} alone from {light['real']:.4f} "
            f"to {light['mixed']:.4f} ({signed(gain)}). {system} on real data reached {value:.4f} there."
            if value is not None
            else ""
        )
    said += of_one_network(data)
    if proof:
        names = {
            DIRECT: "Direct labels of the same knowledge",
            FEATURES: "The same knowledge as features",
            TEACHER: "The generator itself as a ranker",
        }
        for arm, name in names.items():
            row = proof["against"].get(arm)
            if not row or row["lift"] is None:
                continue
            which = {"helps": "less than", "hurts": "more than"}
            told = which.get(row["verdict"], "no other than")
            said.append(f"{name} gives {told} its shoppers: they stand at {lift(row)} beside it.")
            if arm == TEACHER and told == "more than" and data["generators"]["world"]:
                said.append(
                    "Where the other shop's log itself may be used here, take that; its synthetic shoppers are for "
                    "where it may not."
                )
    return [one for one in said if one]


def of_one_network(data: Data) -> list[str]:
    """What one network is taught best by, where one was tried; that it was not, and why, else."""
    alone = (data.get("generators") or {}).get("alone")
    if not alone:
        return []
    if "why" in alone:
        return [
            f"Whether direct labels teach one network as much as shoppers do was not tried: {alone['why']}."
        ]
    said = (
        f"Before the test part, {alone['label']} alone reached {alone['real']:.4f} on real data, "
        f"{alone['mixed']:.4f} with shoppers of {alone['generator']}, and {alone['direct']:.4f} on direct labels of "
        "the same knowledge, each tried once."
    )
    least = (1 + TOLD) * max(alone["real"], min(alone["mixed"], alone["direct"]))
    if max(alone["mixed"], alone["direct"]) < (1 + TOLD) * alone["real"]:
        so = "Where one network is to serve alone, neither is seen to teach it more than real data."
    elif alone["direct"] >= least:
        so = "Where one network is to serve alone, teach it direct labels (the mixer `distil`)."
    elif alone["mixed"] >= least:
        so = "Where one network is to serve alone, synthetic shoppers teach it more than direct labels."
    else:
        so = "Where one network is to serve alone, direct labels teach it as much as shoppers, and cost less."
    return [said, so]
