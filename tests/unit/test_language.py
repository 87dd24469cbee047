"""Words, terms, and what the embedders compute, against scikit-learn and slow obvious versions."""

from __future__ import annotations

import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from wareloom.core.run import Run
from wareloom.errors import MissingExtraError, SettingError, SourceError
from wareloom.language import encoder, onnx_encoder
from wareloom.language.embedders import minilm
from wareloom.language.embedders.minilm import MiniLM
from wareloom.language.embedders.tfidf import TfIdf
from wareloom.language.tokenise import ngrams, tokenise, tokenise_all

TITLES = [
    "Red cotton shirt",
    "Blue cotton shirt, men's",
    "Red silk scarf and red silk tie",
    "Cordless drill 18 V",
    "Drill bit 1/4 in.",
    "18V cordless impact driver",
    "",
]
SAID = slice(0, -1)
"""The titles that say something"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Stainless-Steel SINK", ["stainless", "steel", "sink"]),
        ("Men's, O'Keeffe's, L’Oréal", ["men", "okeeffe", "loréal"]),
        ("wi-fi h&m t-shirt", ["wi", "fi", "h", "m", "t", "shirt"]),
        ("DCD780-C2 iPhone13 1.2.3 spf-30", ["dcd780-c2", "iphone13", "1.2.3", "spf-30"]),
        ("size XL x-large", ["size", "xl", "x", "large"]),
        ("냄비 フライパン हिन्दी", ["냄비", "フライパン", "हिन्दी"]),
        ("café", ["café"]),
        ("ＦＵＬＬ　ｗｉｄｔｈ", ["full", "width"]),
        (" \t\n!?", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert tokenise(text) == words


@pytest.mark.parametrize(
    "text", ["3/4 in. pipe", '3/4" pipe', "3/4-inch pipe", "3/4in pipe", "¾ inches pipe", "¾″ pipe"]
)
def test_one_measure_has_one_spelling(text: str) -> None:
    assert tokenise(text) == ["3/4in", "pipe"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("12v 12-volt 12 volts", ["12v"] * 3),
        ("12 a day", ["12", "a", "day"]),
        ("1 1/2 in. 1-1/2in, 1½ in", ["1-1/2in"] * 3),
        ("1.70 oz .5 oz 1,000 ml", ["1.7oz", "0.5oz", "1000ml"]),
        ("1.7 fl. oz. 6 sq. ft.", ["1.7floz", "6sqft"]),
        ("8'x10' 5' 6\"", ["8ft", "x", "10ft", "5ft", "6in"]),
        ("2 in 1, 2-in-1", ["2", "in", "1", "2-in-1"]),
        ("the 90's, 24-hour", ["the", "90", "24", "hour"]),
        ("10 3", ["10", "3"]),
    ],
)
def test_measures(text: str, words: list[str]) -> None:
    assert tokenise(text) == words


def test_chinese_is_divided_into_words_beside_figures_and_latin() -> None:
    words = tokenise("雅诗兰黛ANR小棕瓶50ml装精华液")
    assert "".join(words) == "雅诗兰黛anr小棕瓶50ml装精华液"
    assert {"anr", "50ml", "装", "雅诗兰黛"} <= set(words)
    assert tokenise("男士洗面奶") == tokenise("男士 洗面奶")


def test_chinese_without_its_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from wareloom.language import tokenise as module

    module._chinese.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(
        MissingExtraError, match=r"Dividing Chinese text .* 'jieba': pip install 'wareloom\[text\]'"
    ):
        tokenise("洗面奶")
    assert tokenise("face wash") == ["face", "wash"]
    module._chinese.cache_clear()


def test_english_loads_no_dictionary() -> None:
    use = "from wareloom.language.tokenise import tokenise; tokenise('face wash')"
    code = f"import sys; {use}; print('jieba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("drills", "drill"),
        ("batteries", "battery"),
        ("bus", "bus"),
        ("glass", "glass"),
        ("shoes", "shoes"),
        ("gas", "gas"),
    ],
)
def test_plurals(plural: str, singular: str) -> None:
    assert tokenise(plural, stem=True) == [singular]
    assert tokenise(plural) == [plural]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs", "Lo"]), max_size=60))
@settings(deadline=None, max_examples=200)
def test_laws_of_words(text: str) -> None:
    words = tokenise(text)
    assert words == tokenise(text)
    assert all(words), "no word is empty"
    assert not any(c.isspace() for word in words for c in word)
    assert words == tokenise(f"  {text}\n")
    assert tokenise(unicodedata.normalize("NFC", text)) == tokenise(
        unicodedata.normalize("NFD", text)
    )


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=5), max_size=6), st.integers(1, 4))
@settings(deadline=None)
def test_terms_are_the_runs_of_words(texts: list[list[str]], longest: int) -> None:
    found = ngrams(pl.Series(texts, dtype=pl.List(pl.String)), longest)
    slow = [
        (row, " ".join(words[i : i + n]))
        for row, words in enumerate(texts)
        for n in range(1, longest + 1)
        for i in range(len(words) - n + 1)
    ]
    assert sorted(found.rows()) == sorted(slow)


@pytest.mark.parametrize(
    ("longest", "sublinear", "minimum"), [(1, True, 1), (2, True, 1), (2, False, 2), (3, True, 1)]
)
def test_tfidf_is_scikit_learns(longest: int, sublinear: bool, minimum: int) -> None:
    ours = TfIdf(ngrams=longest, sublinear=sublinear, minimum=minimum, embedding_size=0).fit(TITLES)
    theirs = TfidfVectorizer(
        tokenizer=tokenise,
        token_pattern=None,
        lowercase=False,
        ngram_range=(1, longest),
        sublinear_tf=sublinear,
        min_df=minimum,
    ).fit(TITLES)
    asked = [*TITLES, "red drill never seen", "unknown"]
    assert ours.terms_.to_list() == theirs.get_feature_names_out().tolist()
    np.testing.assert_allclose(
        ours.sparse(asked).toarray(), theirs.transform(asked).toarray(), rtol=1e-5
    )
    np.testing.assert_allclose(ours.embed(asked), ours.sparse(asked).toarray(), rtol=1e-5)


def test_the_projection_keeps_the_leading_singular_vectors() -> None:
    ours = TfIdf(embedding_size=2).fit(TITLES, Run(seed=4))
    matrix = ours.sparse(TITLES).toarray().astype(np.float64)
    right = np.linalg.svd(matrix)[2][:2].T
    np.testing.assert_allclose(ours.components_ @ ours.components_.T, right @ right.T, atol=1e-4)
    assert ours.embed(TITLES).shape == (7, 2)
    assert TfIdf(embedding_size=300).fit(TITLES).embed(TITLES).shape[1] <= 7


@pytest.mark.parametrize(
    ("setting", "value", "least"), [("ngrams", 0, 1), ("minimum", 0, 1), ("embedding_size", -1, 0)]
)
def test_settings_of_tfidf_are_checked(setting: str, value: int, least: int) -> None:
    with pytest.raises(SettingError, match=f"tfidf: {setting} is {value}; give {least} or more"):
        TfIdf(**{setting: value})


def test_many_texts_make_many_lists() -> None:
    assert tokenise_all(["Red shirt", ""]).to_list() == [["red", "shirt"], []]


def test_minilm_is_the_mean_of_its_last_layer() -> None:
    """Against the model called by hand on one text, without padding."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = MiniLM()._where()
    words = AutoTokenizer.from_pretrained(folder)(TITLES[1], return_tensors="pt")
    with torch.inference_mode():
        slow = (
            AutoModel.from_pretrained(folder).eval()(**words).last_hidden_state[0].mean(0).numpy()
        )
    np.testing.assert_allclose(MiniLM().embed(TITLES)[1], slow / np.linalg.norm(slow), atol=1e-5)


def test_minilm_keeps_vectors_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(cache=tmp_path)
    first = MiniLM().embed(TITLES, run)
    assert len(list((tmp_path / "embeddings").iterdir())) == 1

    def never(*_: object) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr(minilm, "load_encoder", never)
    np.testing.assert_array_equal(MiniLM().embed(TITLES, run), first)
    with pytest.raises(AssertionError, match="encoded again"):
        MiniLM().embed(TITLES[::-1], run)
    with pytest.raises(AssertionError, match="encoded again"):
        MiniLM(pooling="cls").embed(TITLES, run)


def test_minilm_in_bf16_lies_near_and_is_kept_apart(tmp_path: Path) -> None:
    whole, half = (
        MiniLM().embed(TITLES, Run(cache=tmp_path, precision=p)) for p in ("fp32", "bf16")
    )
    assert len(list((tmp_path / "embeddings").iterdir())) == 2
    assert not np.array_equal(whole, half)
    np.testing.assert_allclose((whole * half).sum(1)[SAID], 1, atol=1e-3)


@pytest.mark.parametrize(("runtime", "cosine"), [("onnx", 1 - 1e-5), ("int8", 0.95)])
def test_minilm_by_onnx_lies_near(runtime: str, cosine: float, tmp_path: Path) -> None:
    plain, run = MiniLM().embed(TITLES), Run(cache=tmp_path)
    made = MiniLM(runtime=runtime)  # type: ignore[arg-type]
    found = made.embed(TITLES, run)
    assert ((plain * found).sum(1)[SAID] > cosine).all()
    exported = [path.suffix for path in (tmp_path / "onnx").iterdir()]
    assert exported == [".onnx"] * (1 if runtime == "onnx" else 2)
    np.testing.assert_array_equal(made.embed(TITLES), found)
    assert not np.array_equal(MiniLM(runtime=runtime, pooling="cls").embed(TITLES, run), found)  # type: ignore[arg-type]


def test_minilm_takes_an_export_that_the_folder_brings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, folder = Run(cache=tmp_path / "cache"), tmp_path / "encoder"
    expected = MiniLM(runtime="onnx").embed(TITLES, run)
    shutil.copytree(MiniLM()._where(), folder)
    (folder / "onnx").mkdir(exist_ok=True)
    next((tmp_path / "cache" / "onnx").iterdir()).rename(folder / "onnx" / "model.onnx")
    monkeypatch.setattr(onnx_encoder, "load_encoder", None)
    np.testing.assert_array_equal(
        MiniLM(runtime="onnx", folder=str(folder)).embed(TITLES), expected
    )


def test_minilm_by_onnx_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        SettingError, match=r"minilm: runtime is 'cuda'; give 'torch', 'onnx' or 'int8'"
    ):
        MiniLM(runtime="cuda")  # type: ignore[arg-type]
    with pytest.raises(
        SettingError, match="ONNX Runtime computes on the processor here: on cuda take 'torch'"
    ):
        MiniLM(runtime="onnx").embed(["x"], Run(device="cuda"))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'wareloom\[onnx\]'"):
        MiniLM(runtime="int8").embed(["x"])


def test_minilm_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match=r"holds no encoder: it has no config\.json"):
        MiniLM(folder=str(tmp_path)).embed(["x"])
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(SourceError, match="holds no encoder that can be loaded"):
        MiniLM(folder=str(tmp_path)).embed(["x"])
    with pytest.raises(SettingError, match="minilm: batch_size is 0; give 1 or more"):
        MiniLM(batch_size=0)
    monkeypatch.setattr(encoder, "PACKAGE", "no_such_package")
    with pytest.raises(
        MissingExtraError,
        match=r"needs the package 'no-such-package': pip install 'wareloom\[text\]'",
    ):
        MiniLM().embed(["x"])
