"""What the page says of photos and dialogues: what there is, what could be made of it, and how that is proved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wareloom.advising._beside_proves import provable
from wareloom.preparing.statistics_beside import FEW_PHOTOS, FEW_PHRASES, FEW_UTTERANCES
from wareloom.proof.decide import listed

Data = Mapping[str, Any]


def of_photos(look: Data, lift: Data | None = None) -> list[str]:
    """What is to be said of a shop's photos; `lift`: what pictures did for new items before the test part."""
    found = look.get("photos") or {}
    if not found:
        return []
    shown, items = found["items_shown"], found["items"]
    said = [
        f"{found['photos']:,} photos show {shown:,} of {items:,} items ({shown / max(1, items):.0%})."
    ]
    if found["made_for_training"]:
        said.append(
            f"{found['made_for_training']:,} pictures more were made for training: they are no photos of products."
        )
    said += _of_classes(found)
    if not found["items_shown_and_had"]:
        said.append(
            "No item has both a photo and somebody who chose it. That pictures lead shoppers to products cannot be "
            "proved here."
        )
        return said
    said.append(
        f"{found['items_shown_and_had']:,} items have a photo and somebody who chose them; "
        f"{found['items_shown_and_new']:,} have a photo and nobody yet."
    )
    if lift and lift.get("verdict"):
        said.append(_of_lift(lift))
    else:
        if lift:
            said.append(f"Before the test part that could not be told: {lift['why']}.")
        said.append(
            "Whether pictures lift new items here is not known: `wareloom photos SHOP --lift` proves it, beside the "
            "same pictures dealt to other items."
        )
    return said


def _of_classes(found: Data) -> list[str]:
    """What classes the photos show, and what may be made of them."""
    if not found["classes"]:
        return [
            "No item with a photo has a category. So there is no class to make photos of, and none to prove them by."
        ]
    name, few = found["smallest"]
    said = [f"They show {found['classes']:,} classes; the smallest, {name}, has {few:,}."]
    if found["classes"] < 2:
        return [*said, "A proof of pictures tells classes apart, and takes two."]
    if found["classes_enough"] < found["classes"]:
        short = found["classes"] - found["classes_enough"]
        said.append(
            f"{short:,} classes have fewer than {FEW_PHOTOS} photos: of those a proof says little. More photos of them "
            "help most."
        )
    if found["classes_enough"] >= 2:
        said.append(
            "`image_augment` alters real photos for a classifier. Whether such copies teach it is proved by "
            "`wareloom run recipe-pictures.toml`, beside repeats and a frozen encoder."
        )
        said.append(
            "`wareloom photos SHOP` names items whose photo contradicts their category, and fills categories that lack."
        )
    return said


def _of_lift(lift: Data) -> str:
    """What pictures did for new items, before the test part."""
    told = {
        "helps": "Pictures lift new items here",
        "hurts": "Pictures of other items would serve new items better",
        "no evidence": "No evidence that pictures lift new items here",
    }[lift["verdict"]]
    return (
        f"{told}: {lift['metric']} {lift['mean']:.4f} before the test part by colours and edges, and "
        f"{lift['against_mean']:.4f} with pictures dealt to other items."
    )


def of_dialogues(look: Data) -> list[str]:
    """What is to be said of a shop's dialogues."""
    found = look.get("talks") or {}
    if not found:
        return []
    spoken = ", ".join(f"{name} {n:,}" for name, n in found["languages"].items())
    said = [
        f"{found['dialogues']:,} dialogues with {found['turns']:,} turns, by language: {spoken}.",
        f"Agents say {found['agents']:,} of these turns."
        if found["agents"]
        else "No agent's words are in the log. So replies cannot be learned from it, nor told apart.",
    ]
    if found["intents"]:
        said.append(
            f"{found['intents']:,} intents are named; {found['intents_enough']:,} have {FEW_UTTERANCES} different "
            "utterances or more, which a proof takes."
        )
    else:
        said.append(
            "No intents are named. Acts are told from words, and what made utterances teach cannot be proved."
        )
    said.append(
        f"{found['slots']:,} kinds of slots are marked."
        if found["slots"]
        else "No slots are marked: values in made turns come from the catalogue and the orders alone."
    )
    said.append(
        f"Customers have {found['phrases']:,} phrases of their own, of which `flow` writes dialogues with labels."
        if found["phrases"] >= FEW_PHRASES
        else f"Customers have {found['phrases']:,} phrases of their own. `flow` wants {FEW_PHRASES}: lend it others by "
        "--set phrases=SHOP."
    )
    asks = provable(found, titled=bool(look["has"].get("texts")))
    said.append(
        f"What made turns teach of {listed(asks)} can be proved on this log, beside repeats and edits: `wareloom prove "
        f"SHOP --of dialogues`, or `wareloom run recipe-dialogues.toml` for {asks[0]}."
        if asks
        else "A proof of what made turns teach has nothing to ask here: it takes intents, slots, or agents' words."
    )
    return said
