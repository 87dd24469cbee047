"""What the page says of the shop itself, and of what in it is no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wareloom.proof.decide import listed

Data = Mapping[str, Any]
HAD = {
    "texts": "texts",
    "brands": "brands",
    "categories": "categories",
    "prices": "prices",
    "pictures": "pictures",
    "dialogues": "dialogues",
    "queries": "queries",
    "judgments": "judgments",
    "exposures": "what was shown",
    "times": "times",
    "ratings": "ratings",
}


def of_shop(data: Data) -> list[str]:
    """What there is, what is lacking, and what was undone."""
    look, worked = data["look"], data["worked"]
    there = [HAD[name] for name, has in look["has"].items() if has]
    lacks = [HAD[name] for name, has in look["has"].items() if not has]
    said = [
        f"{look['interactions']:,} interactions of {look['users']:,} shoppers with {look['rows']['items']:,} items.",
        f"There are {listed(there) if there else 'no further facts'}. There are no {listed(lacks)}."
        if lacks
        else f"There are {listed(there)}.",
    ]
    if not look["has"]["texts"]:
        said.append(
            "No texts say what products are. So nothing here is learned from texts, and no generator that reads them "
            "was tried."
        )
    said += _unusual(data)
    said += artefacts(look)
    if worked and worked["share"] < 1:
        said.append(
            f"Of this log a sample was worked on: {worked['share']:.1%} of the users, {worked['events']:,} events. "
            "The recipe takes all of them."
        )
    if look["cold"] >= 0.2:
        said.append(
            f"{look['cold']:.0%} of the items were never chosen: a ranker that learns from the log alone cannot rank "
            "them. One that reads what they are can."
        )
    said += [
        f"The other shop {folder} is not used: {why}."
        for folder, why in look["others"].items()
        if why
    ]
    return said


def _unusual(data: Data) -> list[str]:
    """What is done with pictures and with what was shown."""
    has, said = data["look"]["has"], []
    if has["pictures"]:
        tried = any(t["label"] == "image_knn" for t in data["rankers"]["trials"])
        why = data["left_out"].get("image_knn", "no ranker was tried")
        said.append(
            "There are pictures: image_knn was tried, which ranks by how items look. No generator here learns "
            "shoppers from pictures."
            if tried
            else f"There are pictures, but nothing was learned from them: {why}."
        )
    if has["exposures"]:
        said.append(
            "The log says what was shown. This advice ranks the whole catalogue and does not learn from it: "
            "`wareloom prove --of clicks` proves rankers of clicks."
        )
    return said


def artefacts(look: Data) -> list[str]:
    """What of the log is no behaviour."""
    where = {
        "ties": "Events of one user and one time stand in the order of their items' ids. That order is an artefact of "
        "the file: it was drawn at random here.",
        "days": "Events of one day stand in the order of their items' ids. The times within a day are an artefact: "
        "they were cut to the day, and the order within it drawn at random.",
        "file": "The log has no times, and each user's events stand in the order of their items' ids. That order is an "
        "artefact: it was drawn at random, and what follows what is not known.",
    }
    said = [where[look["sorted_by_item"]]] if look["sorted_by_item"] else []
    if look["ties"] and look["sorted_by_item"] != "ties":
        said.append("Users have several events of one time: their order was drawn at random.")
    if look["copied"] > 0.05:
        said.append(
            f"{look['copied']:.0%} of the longer histories are exact copies of another user's. That is a leak: what is "
            "held out of one stands in the other. One of each was kept."
        )
    return said
