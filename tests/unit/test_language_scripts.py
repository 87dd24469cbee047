"""Words of scripts with marks: no word is cut at one, and a query finds what it means however it was typed."""

from __future__ import annotations

import gzip
import hashlib
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wareloom as wl
from wareloom.language.spelling import Speller
from wareloom.language.tokenise import tokenise
from wareloom.shop.queries import normal_query


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("İpek EŞARP", ["ipek", "eşarp"]),
        ("i\u0307pek eşarp", ["ipek", "eşarp"]),
        ("ISPANAK ve ıspanak", ["ispanak", "ve", "ispanak"]),
        ("DİYARBAKIR İĞNE", ["diyarbakir", "iğne"]),
        ("قَميص أَحْمَر", ["قميص", "أحمر"]),
        ("قمـيص", ["قميص"]),
        ("חֻלְצָה אֲדֻמָּה", ["חלצה", "אדמה"]),
        ("में लाल कुर्ती। किताबें", ["में", "लाल", "कुर्ती", "किताबें"]),
        ("เสื้อเชิ้ต สีแดง", ["เสื้อเชิ้ต", "สีแดง"]),
        ("ເສື້ອ ສີແດງ", ["ເສື້ອ", "ສີແດງ"]),
        ("အင်္ကျီ အနီ", ["အင်္ကျီ", "အနီ"]),
        ("សំពត់ ក្រហម", ["សំពត់", "ក្រហម"]),
        ("சிவப்பு சட்டை", ["சிவப்பு", "சட்டை"]),
        ("می\u200cخواهم", ["میخواهم"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("ΣΟΦΌΣ σοφός", ["σοφόσ", "σοφόσ"]),
        ("x\u030c-ray 5 x\u030c", ["x\u030c", "ray", "5", "x\u030c"]),
        ("soft\u00adware", ["software"]),
        ("1\ufe0f\u20e3 ❤\ufe0f red", ["1", "red"]),
    ],
)
def test_words_are_letters_and_their_marks(text: str, words: Sequence[str]) -> None:
    assert tokenise(text) == words
    assert tokenise(unicodedata.normalize("NFD", text)) == words, "composed or not"


def of(*ranges: tuple[int, int]) -> st.SearchStrategy[str]:
    """Words of some scripts: letters and marks, a letter first."""
    signs = [chr(c) for start, end in ranges for c in range(start, end)]
    # NFKC makes two signs of a few letters, of Ŀ an L and a dot in the middle.
    signs = [
        c
        for c in signs
        if all(
            s.isalpha() or unicodedata.category(s)[0] == "M"
            for s in unicodedata.normalize("NFKC", c)
        )
    ]
    # The stroke that draws Arabic letters out is none itself: a word of it alone is no word.
    letters = [c for c in signs if unicodedata.category(c)[0] == "L" and c != "\u0640"]
    marks = [c for c in signs if unicodedata.category(c)[0] in "LM"]
    return st.builds(str.__add__, st.sampled_from(letters), st.text(marks, max_size=8))


SCRIPTS = of(
    (0x590, 0x5F5), (0x620, 0x700), (0x710, 0x74B), (0x780, 0x7B2), (0x900, 0xE00), (0xE01, 0xE3B),
    (0xE40, 0xE4F), (0xE81, 0xEDA), (0x1000, 0x104A), (0x1780, 0x17D4), (0xA980, 0xA9C1), (0x300, 0x370), (0xC0, 0x250),
)  # fmt: skip


@given(st.lists(SCRIPTS, min_size=1, max_size=5))
def test_no_word_is_cut_and_none_is_joined(words: list[str]) -> None:
    """Words with spaces between them come out as many, in order, each with the letters that it had."""
    found = tokenise(" ".join(words))
    assert found == [each for word in words for each in tokenise(word)]
    assert len(found) == len(words)
    for word in found:
        assert all(unicodedata.category(c)[0] in "LM" for c in word)


@given(SCRIPTS)
def test_a_word_is_found_in_either_case_and_form(word: str) -> None:
    once = tokenise(word)
    assert tokenise(unicodedata.normalize("NFD", word)) == once
    assert tokenise(" ".join(once)) == once, "folding twice folds no more"


def test_a_search_in_turkish_and_arabic_finds_what_it_means(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(
        "item_id,title\na,İpek eşarp\nb,yün eşarp\nc,قَميص أحمر\nd,قميص أزرق\ne,ISPANAK\n",
        encoding="utf-8",
    )
    shop = wl.read(tmp_path / "items.csv", to=tmp_path / "shop")
    asked = ["ipek", "İPEK EŞARP", "قميص", "ıspanak"]
    found = wl.ranker("bm25").fit(shop).rank(wl.Requests(queries=asked), k=5)
    above = {q: {i for n, _, _, i, s in found.rows() if n == q and s > 0} for q in range(4)}
    assert above == {0: {"a"}, 1: {"a", "b"}, 2: {"c", "d"}, 3: {"e"}}


def test_the_speller_reads_words_as_the_tokeniser_does() -> None:
    speller = Speller.learn(["İpek eşarp", "ipek bluz", "İPEK şal"])
    assert speller.held["ipek"] == 3
    assert speller.correct(tokenise("ipekk")) == ["ipek"]


def test_queries_are_one_whatever_the_case_of_a_turkish_letter() -> None:
    queries = pl.DataFrame({"query": ["İPEK  eşarp", "ipek EŞARP", "i\u0307pek eşarp"]})
    assert queries.select(normal_query())["query"].n_unique() == 1


def test_english_and_chinese_words_are_those_they_were(real_data: Path) -> None:
    """Digests of the words of 65,284 titles and queries, and of 5,000 Chinese queries, before marks were read."""

    def digest(texts: Sequence[str]) -> str:
        words = "\n".join("\t".join(tokenise(text)) for text in texts)
        return hashlib.sha256(words.encode()).hexdigest()[:16]

    with zipfile.ZipFile(real_data / "homedepot_search" / "train.csv.zip") as archive:
        table = pl.read_csv(archive.read("train.csv").decode("latin-1").encode())
    texts = [table[name].unique().sort().to_list() for name in ("product_title", "search_term")]
    assert digest([*texts[0], *texts[1]]) == "690cb1eeebf5a751"
    with gzip.open(real_data / "multicpr_zh_queries" / "train.query.txt.gz", "rt") as file:
        queries = file.read().split("\n")[:5_000]
    assert digest(queries) == "f197d4840d29b7ab"
