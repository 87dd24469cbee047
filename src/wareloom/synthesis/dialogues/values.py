"""Values of slots: what else could stand in the place of a real one, which nobody said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from wareloom.language.personal import common_names
from wareloom.synthesis.dialogues.dice import Dice
from wareloom.synthesis.dialogues.phrases import PERSONAL

GIVEN, FAMILY = common_names()
PERSON = re.compile(
    r"^((user|person|full|first|last|customer|holder)?_?name|username|holder|recipient)$"
)
"""Slots that name somebody"""
PLACE = re.compile(r"(^|_)(city|town|place|destination|origin)$")
COMPANY = re.compile(r"company|organisation|organization|business")
CITIES = (
    "Amsterdam", "Ankara", "Athens", "Atlanta", "Austin", "Baltimore", "Bangalore", "Bangkok", "Barcelona",
    "Beijing", "Belgrade", "Berlin", "Boston", "Bristol", "Brussels", "Bucharest", "Budapest", "Buffalo",
    "Cairo", "Calgary", "Chandigarh", "Charlotte", "Chengdu", "Chennai", "Chicago", "Cincinnati", "Cleveland",
    "Cologne", "Columbus", "Copenhagen", "Dallas", "Delhi", "Denver", "Detroit", "Dhaka", "Dresden", "Dubai",
    "Dublin", "Edinburgh", "Florence", "Frankfurt", "Geneva", "Glasgow", "Guangzhou", "Hamburg", "Hangzhou",
    "Hanoi", "Helsinki", "Houston", "Hyderabad", "Indianapolis", "Istanbul", "Jaipur", "Jakarta",
    "Johannesburg", "Karachi", "Kansas", "Kiev", "Kolkata", "Krakow", "Lagos", "Lahore", "Leeds", "Leipzig",
    "Lima", "Lisbon", "Liverpool", "London", "Lucknow", "Lyon", "Madrid", "Madurai", "Manchester", "Manila",
    "Marseille", "Melbourne", "Memphis", "Miami", "Milan", "Milwaukee", "Minneapolis", "Montreal", "Mumbai",
    "Munich", "Nairobi", "Nagpur", "Naples", "Nashville", "Oakland", "Omaha", "Orlando", "Osaka", "Oslo",
    "Ottawa", "Paris", "Perth", "Philadelphia", "Phoenix", "Pittsburgh", "Portland", "Porto", "Prague", "Pune",
    "Raleigh", "Richmond", "Rome", "Rotterdam", "Sacramento", "Salem", "Seattle", "Seoul", "Seville",
    "Shanghai", "Shenzhen", "Singapore", "Sofia", "Stockholm", "Stuttgart", "Surat", "Sydney", "Tampa", "Tokyo",
    "Toledo", "Toronto", "Trichy", "Tucson", "Tulsa", "Turin", "Utrecht", "Valencia", "Vancouver", "Venice",
    "Vienna", "Warsaw", "Washington", "Wuhan", "Zagreb", "Zurich",
)  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SYLLABLES = (
    "ba", "co", "da", "el", "fi", "gra", "hu", "in", "ka", "lo", "mar", "net", "or", "pri", "qu", "ra", "sol",
    "ta", "uni", "ve", "wes", "xan", "yo", "zen",
)  # fmt: skip


def new_value(name: str, values: Sequence[str], dice: Dice) -> str:
    """Return a value for the slot `name`, whose real values are `values`, as they are written.

    Figures become other figures. People get names that many have, places other cities, companies a word that is made
    up before the words that they end in. Other values are real ones; what says who somebody is never is.
    """
    like = dice.one(values)
    if PERSONAL.match(name) and re.search(r"\d", like):
        # Letters beside figures are somebody's, too, such as those of an address of mail.
        like = re.sub(r"[A-Za-z]", lambda found: _letter(found[0], dice), like)
    if re.search(r"\d", like):
        return re.sub(r"\d+", lambda found: dice.digits(len(found[0])), like)
    words = like.split()
    if PLACE.search(name):
        return _cased(dice.one(CITIES), like)
    if COMPANY.search(name):
        made = "".join(dice.one(SYLLABLES) for _ in range(dice.whole(2, 3)))
        return _cased(" ".join([made, *words[1:]]), like)
    if PERSONAL.match(name) or PERSON.match(name):
        number = min(max(1, len(words)), 2)
        return _cased(" ".join([dice.one(GIVEN), dice.one(FAMILY)][:number]).title(), like)
    return like


def _letter(sign: str, dice: Dice) -> str:
    made = dice.one(LETTERS)
    return made.upper() if sign.isupper() else made


def _cased(text: str, like: str) -> str:
    """A text in the case in which another one is written."""
    if like.islower():
        return text.lower()
    return text.upper() if like.isupper() and len(like) > 2 else text


def values_by_slot(slots: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """The values of some slots, by their names."""
    found: dict[str, list[str]] = {}
    for slot in slots:
        found.setdefault(slot["name"], []).append(slot["value"])
    return found
