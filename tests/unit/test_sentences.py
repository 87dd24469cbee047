"""What pages say: every sentence in every language, with the same placeholders."""

from __future__ import annotations

import re
from importlib.resources import files
from string import Formatter

import pytest

from wareloom.core.sentences import LANGUAGES, Say, sentences
from wareloom.core.source import HERE
from wareloom.errors import SettingError, UnknownNameError

KEYS = sorted(sentences())


def placeholders(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("key", KEYS)
def test_every_sentence_is_there_in_every_language_with_the_same_placeholders(key: str) -> None:
    texts = sentences()[key]
    assert set(texts) == set(LANGUAGES)
    assert all(text.strip() or key == "list.space" for text in texts.values())
    assert len({tuple(placeholders(text)) for text in texts.values()}) == 1, texts


def test_what_templates_and_views_say_is_in_the_table() -> None:
    """Read from the sources: a key that is spelled out is in the table."""
    sources = [*HERE.rglob("*.py"), *HERE.rglob("*.j2")]
    spelled: set[str] = set()
    for source in sources:
        text = source.read_text(encoding="utf-8")
        spelled |= set(re.findall(r'\bsay\(\s*"([a-z_]+\.[a-z0-9_]+)"', text))
        counted = re.findall(r'\bsay\.counted\(\s*"([a-z_]+\.[a-z0-9_]+)"', text)
        spelled |= {f"{key}_{form}" for key in counted for form in ("one", "many")}
    assert len(spelled) > 50
    assert spelled <= set(KEYS), spelled - set(KEYS)


def test_chinese_is_chinese() -> None:
    """A text that says something says it in Chinese: letters of Latin alone are names and signs."""
    same = [key for key in KEYS if sentences()[key]["en"] == sentences()[key]["zh"]]
    words = [
        key
        for key in same
        if re.search(r"[A-Za-z]{2}", re.sub(r"\{\w+\}", "", sentences()[key]["en"]))
    ]
    assert words == []


def test_lists_and_counts() -> None:
    say, zh = Say(), Say("zh")
    assert say.listed(["a"]) == "a"
    assert say.listed(["a", "b", "c"]) == "a, b and c"
    assert zh.listed(["a", "b", "c"]) == "a、b和c"
    assert say.counted("proof.times", 1) == "once"
    assert say.counted("proof.times", 1200) == "1,200 times"
    assert zh.term("arm", "real + synthetic") == "真实 + 合成"
    assert zh.term("arm", "nobody has heard of it") == "nobody has heard of it"


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(SettingError, match=r"'fr'.*en \(English\) or zh"):
        Say("fr")
    with pytest.raises(UnknownNameError, match=r"proof\.helpz.*proof\.helps"):
        Say()("proof.helpz")
    with pytest.raises(KeyError):
        Say()("proof.page")


def test_the_table_ships_with_the_package() -> None:
    names = {each.name for each in (files("wareloom") / "sentences").iterdir()}
    assert {"page.toml", "proof.toml", "compare.toml"} <= names


TOLD = ("reason", "note", "warning", "axis", "feature", "advised")
"""Topics whose English is what results bring along: pages find the sentence by it"""


@pytest.mark.parametrize("topic", TOLD)
def test_a_sentence_of_a_result_is_found_by_its_english(topic: str) -> None:
    zh = Say("zh")
    for key in (key for key in KEYS if key.startswith(f"{topic}.")):
        texts = sentences()[key]
        values = {name: f"v{place}" for place, name in enumerate(placeholders(texts["en"]))}
        assert zh.retold(topic, texts["en"].format(**values)) == texts["zh"].format(**values)
        assert Say().retold(topic, texts["en"]) == texts["en"]
    assert zh.retold(topic, "what nobody says") == "what nobody says"


def test_what_results_say_is_what_the_table_waits_for() -> None:
    """The sources of a few of those sentences: were one reworded, its Chinese would be lost unseen."""
    from wareloom.preparing.statistics_warnings import warnings_of
    from wareloom.proof.arms import plan
    from wareloom.sampling.generator import Generator

    zh = Say("zh")
    left_out = plan(Generator(synthesizer="markov"), "ease", {}).left_out
    assert left_out
    assert all(zh.retold("reason", why) != why for why in left_out.values())
    tables = {"items": {"rows": 0, "synthetic": 0, "missing": {}}}
    told = warnings_of({"tables": tables})
    assert len(told) == 2
    assert all(zh.retold("warning", each) != each for each in told)


def test_a_long_text_is_kept_and_takes_no_time() -> None:
    text = "The decisive control is " + ": , p = . " * 5000
    assert Say("zh").retold("advised", text) == text
