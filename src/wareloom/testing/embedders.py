"""The contract of embedders: vectors of length one that hang on the text alone, saved and restored alike."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import InputError, NotFittedError
from wareloom.language.embedders import Embedder
from wareloom.testing.laws import (
    Law,
    every_setting_is_documented,
    keep,
    laws_of,
    refused,
    settings_go_round,
)

RUN = Run(seed=1, threads=2)
TEXTS = (
    "Stainless steel kitchen sink 30 in.",
    "Kitchen sink, stainless steel",
    "Cordless drill 18 V with two batteries",
    "Drill, cordless, with battery",
    "男士保湿洗面奶 100ml",
    "保湿洗面奶 男士控油",
    "",
)
ALIKE = ((0, 1), (2, 3), (4, 5))
"""Places of texts that say the same in other words"""


def vectors_are_32_bits_and_of_length_one(cls: type[Embedder]) -> None:
    """float32, one row a text; an empty text has zeros."""
    found = _vectors(cls)
    assert found.dtype == np.float32
    assert found.shape[0] == len(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(found[:-1], axis=1), 1.0, rtol=1e-5)
    assert not found[-1].any(), "an empty text says nothing"


def the_same_text_has_the_same_vector(cls: type[Embedder]) -> None:
    """Within a batch, among other texts, and in a second call."""
    again = _fitted(cls).embed([TEXTS[2], "something else", TEXTS[2]])
    np.testing.assert_allclose(again[0], again[2], atol=1e-5)
    np.testing.assert_allclose(again[0], _vectors(cls)[2], atol=1e-5)
    np.testing.assert_array_equal(_fitted(cls).embed(TEXTS, RUN), _vectors(cls))


def a_batch_is_each_alone(cls: type[Embedder]) -> None:
    """A text's vector does not hang on those beside it; no texts have no vectors, of the same size."""
    for text, vector in zip(TEXTS, _vectors(cls), strict=True):
        np.testing.assert_allclose(_fitted(cls).embed([text])[0], vector, atol=1e-5)
    assert _fitted(cls).embed([]).shape == (0, _vectors(cls).shape[1])


def what_it_returns_is_the_callers(cls: type[Embedder]) -> None:
    """To write into vectors changes nothing in the embedder."""
    found = _fitted(cls).embed(TEXTS, RUN)
    found[:] = 7
    np.testing.assert_array_equal(_fitted(cls).embed(TEXTS, RUN), _vectors(cls))


def like_texts_lie_near_in_english_and_chinese(cls: type[Embedder]) -> None:
    """Each of two texts that say the same lies nearer to the other than to any third."""
    near = _vectors(cls) @ _vectors(cls).T
    for one, other in ALIKE:
        rest = [i for i in range(len(TEXTS) - 1) if i not in (one, other)]
        assert near[one, other] > near[one, rest].max()


def the_form_that_takes_least_memory_has_length_one_too(cls: type[Embedder]) -> None:
    """`vectors`, dense or sparse, has float32 rows of length one."""
    found = _fitted(cls).vectors(TEXTS)
    dense = found if isinstance(found, np.ndarray) else found.toarray()
    assert dense.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(dense[:-1], axis=1), 1.0, rtol=1e-5)


def saved_and_restored_embeds_the_same(cls: type[Embedder]) -> None:
    """To the bit."""
    with tempfile.TemporaryDirectory() as folder:
        _fitted(cls).save(Path(folder) / "saved")
        again = _restored(cls, Path(folder) / "saved")
    assert again.settings() == _fitted(cls).settings()
    np.testing.assert_array_equal(again.embed(TEXTS, RUN), _vectors(cls))


def threads_do_not_change_the_vectors(cls: type[Embedder]) -> None:
    """One thread gives what two give, but for rounding."""
    run = Run(seed=1, threads=1)
    found = configure(cls, cls.quick).fit(TEXTS, run).embed(TEXTS, run)
    np.testing.assert_allclose(found, _vectors(cls), atol=1e-4)


def what_is_no_list_of_texts_is_refused(cls: type[Embedder]) -> None:
    """One string, and what is no text, are named; None is a text that says nothing."""
    fitted = _fitted(cls)
    refused(lambda: fitted.embed("sink"), InputError, "was given the one string 'sink'")
    refused(
        lambda: fitted.embed(["sink", 7]),  # type: ignore[list-item]
        InputError,
        "Text 1 is 7, a int: give strings, or None for no text",
    )
    assert not fitted.embed([None, "  "]).any()


def one_that_learns_asks_for_fit_and_for_words(cls: type[Embedder]) -> None:
    """Before `fit`, and where there is not one word to learn from, it says so."""
    if not cls.learns:
        return
    made = configure(cls, cls.quick)
    refused(lambda: made.embed(TEXTS), NotFittedError, f"The embedder '{made.name}' is not fitted")
    said = refused(lambda: made.fit(["", None]), InputError, "has nothing to learn from")
    assert made.name.rpartition(":")[2].lower() in said.lower(), f"{said} does not say who"


LAWS: dict[str, Law] = {
    law.__name__: law
    for law in (
        every_setting_is_documented,
        settings_go_round,
        vectors_are_32_bits_and_of_length_one,
        the_same_text_has_the_same_vector,
        a_batch_is_each_alone,
        what_it_returns_is_the_callers,
        like_texts_lie_near_in_english_and_chinese,
        the_form_that_takes_least_memory_has_length_one_too,
        saved_and_restored_embeds_the_same,
        threads_do_not_change_the_vectors,
        what_is_no_list_of_texts_is_refused,
        one_that_learns_asks_for_fit_and_for_words,
    )
}
"""What every embedder keeps to"""
FURTHER: dict[str, Law] = {}
"""What only some keep to, who name it in `laws`"""


def check(cls: type[Embedder]) -> None:
    """Hold an embedder to all its laws; raises `AssertionError` that names the one that is broken."""
    keep(cls, laws_of(cls, LAWS, FURTHER))


@lru_cache(maxsize=4)
def _fitted(cls: type[Embedder]) -> Embedder:
    made: Embedder = configure(cls, cls.quick).fit(TEXTS, RUN)
    return made


@lru_cache(maxsize=4)
def _vectors(cls: type[Embedder]) -> np.ndarray:
    return _fitted(cls).embed(TEXTS, RUN).copy()


def _restored(cls: type[Embedder], folder: Path) -> Embedder:
    """What was saved, by the class at hand: one that a test defines has no name to be loaded by."""
    from wareloom.core import state

    head = state.read_json(folder / "algorithm.json")
    assert head["family"] == cls.family.kind
    return cls.restore(head["settings"], state.load_state(folder))
