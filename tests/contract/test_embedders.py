"""What every embedder keeps to, found by walking the folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conftest import Lazy
from wareloom.core.family import EMBEDDERS
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import InputError, NotFittedError, SettingError
from wareloom.language.embedders import Embedder

NAMES = EMBEDDERS.names()
RUN = Run(seed=1, threads=2)
LEARNING = [name for name in NAMES if EMBEDDERS.load(name).learns]
TEXTS = [
    "Stainless steel kitchen sink 30 in.",
    "Kitchen sink, stainless steel",
    "Cordless drill 18 V with two batteries",
    "Drill, cordless, with battery",
    "男士保湿洗面奶 100ml",
    "保湿洗面奶 男士控油",
    "",
]


def make(name: str) -> Embedder:
    embedder = EMBEDDERS.make(name)
    assert isinstance(embedder, Embedder)
    return embedder


@pytest.fixture(scope="module")
def fitted() -> dict[str, Embedder]:
    return Lazy(lambda name: make(name).fit(TEXTS, RUN))


@pytest.fixture(scope="module")
def vectors(fitted: dict[str, Embedder]) -> dict[str, np.ndarray]:
    return Lazy(lambda name: fitted[name].embed(TEXTS, RUN))


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_documented(name: str) -> None:
    entry = EMBEDDERS.describe(name)
    assert entry.summary.endswith(".")
    assert [s.name for s in entry.settings if not s.doc] == []
    assert {s.name for s in entry.settings} == set(make(name).settings())


@pytest.mark.parametrize("name", NAMES)
def test_settings_go_round(name: str) -> None:
    embedder = make(name)
    assert embedder.name == name
    assert configure(type(embedder), embedder.settings()).settings() == embedder.settings()
    with pytest.raises(SettingError, match="has no setting 'no_such'"):
        EMBEDDERS.make(name, no_such=1)


@pytest.mark.parametrize("name", NAMES)
def test_vectors_are_32_bits_and_of_length_one(name: str, vectors: dict[str, np.ndarray]) -> None:
    found = vectors[name]
    assert found.dtype == np.float32
    assert found.shape[0] == len(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(found[:-1], axis=1), 1.0, rtol=1e-5)
    assert not found[-1].any(), "an empty text says nothing"


@pytest.mark.parametrize("name", NAMES)
def test_the_same_text_has_the_same_vector(
    name: str, fitted: dict[str, Embedder], vectors: dict[str, np.ndarray]
):
    again = fitted[name].embed([TEXTS[2], "something else", TEXTS[2]])
    np.testing.assert_allclose(again[0], again[2], atol=1e-5)
    np.testing.assert_allclose(again[0], vectors[name][2], atol=1e-5)
    np.testing.assert_array_equal(fitted[name].embed(TEXTS, RUN), vectors[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_each_alone(
    name: str, fitted: dict[str, Embedder], vectors: dict[str, np.ndarray]
) -> None:
    for text, vector in zip(TEXTS, vectors[name], strict=True):
        np.testing.assert_allclose(fitted[name].embed([text])[0], vector, atol=1e-5)
    assert fitted[name].embed([]).shape == (0, vectors[name].shape[1])


@pytest.mark.parametrize("name", NAMES)
def test_like_texts_lie_near_in_english_and_chinese(
    name: str, vectors: dict[str, np.ndarray]
) -> None:
    near = vectors[name] @ vectors[name].T
    for one, other in ((0, 1), (2, 3), (4, 5)):
        rest = [i for i in range(6) if i not in (one, other)]
        assert near[one, other] > near[one, rest].max()


@pytest.mark.parametrize("name", NAMES)
def test_the_form_that_takes_least_memory_says_the_same(
    name: str, fitted: dict[str, Embedder]
) -> None:
    found = fitted[name].vectors(TEXTS)
    dense = found if isinstance(found, np.ndarray) else found.toarray()
    assert dense.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(dense[:-1], axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_restored_embeds_the_same(
    name: str, fitted: dict[str, Embedder], vectors: dict[str, np.ndarray], tmp_path: Path
) -> None:
    fitted[name].save(tmp_path / name)
    again = EMBEDDERS.restore(tmp_path / name)
    assert again.settings() == fitted[name].settings()
    np.testing.assert_array_equal(again.embed(TEXTS, RUN), vectors[name])


@pytest.mark.parametrize("name", NAMES)
def test_threads_do_not_change_the_vectors(name: str, vectors: dict[str, np.ndarray]) -> None:
    run = Run(seed=1, threads=1)
    np.testing.assert_allclose(
        make(name).fit(TEXTS, run).embed(TEXTS, run), vectors[name], atol=1e-4
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_list_of_texts_is_refused(name: str, fitted: dict[str, Embedder]) -> None:
    with pytest.raises(InputError, match="was given the one string 'sink': give a list of texts"):
        fitted[name].embed("sink")
    with pytest.raises(InputError, match="Text 1 is 7, a int: give strings, or None for no text"):
        fitted[name].embed(["sink", 7])  # type: ignore[list-item]
    assert not fitted[name].embed([None, "  "]).any()


@pytest.mark.parametrize("name", LEARNING)
def test_one_that_learns_asks_for_fit_and_for_words(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match=f"The embedder '{name}' is not fitted"):
        make(name).embed(TEXTS)
    with pytest.raises(InputError, match=f"{name} has nothing to learn from: 2 texts"):
        make(name).fit(["", None])
