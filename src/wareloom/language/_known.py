"""What `personal.toml` holds: names that are common, names of people that goods bear, and other words looked up."""

from __future__ import annotations

from pathlib import Path

from wareloom.core.parse import read_toml

_HELD = read_toml(Path(__file__).with_name("personal.toml"), "The list of words")


def _words(name: str) -> frozenset[str]:
    return frozenset(_HELD[name].split())


GIVEN, SURNAMES = _words("given"), _words("family")
GOODS, THINGS = _words("given_of_things"), _words("family_of_things")
"""Given and family names that things are called by as well"""
EPONYMS = frozenset(" ".join(name.split()) for name in _HELD["goods"].split(","))
"""Names of people that goods bear, such as "calvin klein\""""
NOBODY, STOP = _words("nobody"), _words("stop")
PINYIN, ENGLISH = _words("pinyin"), _words("english")
SINGLE = "".join(_HELD["single"].split())
COMPOUND = "|".join(_HELD["compound"].split())
LETTERS = frozenset("".join(_HELD["letters"].split()))
CHINESE_GOODS = "|".join(_HELD["chinese_goods"].split())
SYLLABLE = (
    r"(?:[bpmfdtnlgkhjqxzcsrwy]|zh|ch|sh)?(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uai|uan|an|en|in|un|ai|ei|ui|ao|ou|iu"
    r"|ie|ue|er|ia|ua|uo|a|o|e|i|u|v)"
)
"""A Chinese syllable in Latin letters"""
COUNTED = _words("counted")
PROVIDERS, NOT_LOCAL = _words("providers"), _words("not_local")
PROVINCES = _words("provinces")
IBAN_LENGTHS = {
    country: int(length)
    for length, countries in _HELD["iban"].items()
    for country in countries.split()
}
"""Letters and digits of an account's number by country"""
