"""The contract of embedders: vectors of length one that hang on the text alone, saved and restored alike."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from wareloom.core.run import Run
from wareloom.errors import InputError, NotFittedError
from wareloom.language.embedders import Embedder
from wareloom.testing import laws as kit
from wareloom.testing.laws import Law, again, law, make, refused

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
LAWS: dict[str, Law] = {
    "every setting is documented": kit.documented,
    "settings go round": kit.settings_go_round,
}
"""What every embedder keeps to"""
FURTHER: dict[str, Law] = {}
"""What those keep to that name it in `laws`"""


@law(LAWS, "vectors are 32 bits and of length one")
def vectors_are_32_bits_and_of_length_one(cls: type[Embedder]) -> None:
    """float32, one row a text; an empty text has zeros."""
    found = _vectors(cls)
    assert found.dtype == np.float32
    assert found.shape[0] == len(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(found[:-1], axis=1), 1.0, rtol=1e-5)
    assert not found[-1].any(), "an empty text says nothing"


@law(LAWS, "the same text has the same vector")
def the_same_text_has_the_same_vector(cls: type[Embedder]) -> None:
    """Within a batch, among other texts, and in a second call."""
    second = _fitted(cls).embed([TEXTS[2], "something else", TEXTS[2]])
    np.testing.assert_allclose(second[0], second[2], atol=1e-5)
    np.testing.assert_allclose(second[0], _vectors(cls)[2], atol=1e-5)
    np.testing.assert_array_equal(_fitted(cls).embed(TEXTS, RUN), _vectors(cls))


@law(LAWS, "a batch is each alone")
def a_batch_is_each_alone(cls: type[Embedder]) -> None:
    """A text's vector does not hang on those beside it; no texts have no vectors, of the same size."""
    for text, vector in zip(TEXTS, _vectors(cls), strict=True):
        np.testing.assert_allclose(_fitted(cls).embed([text])[0], vector, atol=1e-5)
    assert _fitted(cls).embed([]).shape == (0, _vectors(cls).shape[1])


@law(LAWS, "what it returns is the callers")
def what_it_returns_is_the_callers(cls: type[Embedder]) -> None:
    """To write into vectors changes nothing in the embedder."""
    found = _fitted(cls).embed(TEXTS, RUN)
    found[:] = 7
    np.testing.assert_array_equal(_fitted(cls).embed(TEXTS, RUN), _vectors(cls))


@law(LAWS, "like texts lie near in english and chinese")
def like_texts_lie_near_in_english_and_chinese(cls: type[Embedder]) -> None:
    """Each of two texts that say the same lies nearer to the other than to any third."""
    near = _vectors(cls) @ _vectors(cls).T
    for one, other in ALIKE:
        rest = [i for i in range(len(TEXTS) - 1) if i not in (one, other)]
        assert near[one, other] > near[one, rest].max()


@law(LAWS, "the form that takes least memory has length one too")
def the_form_that_takes_least_memory_has_length_one_too(cls: type[Embedder]) -> None:
    """`vectors`, dense or sparse, has float32 rows of length one."""
    found = _fitted(cls).vectors(TEXTS)
    dense = found if isinstance(found, np.ndarray) else found.toarray()
    assert dense.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(dense[:-1], axis=1), 1.0, rtol=1e-5)


@law(LAWS, "saved and restored embeds the same")
def saved_and_restored_embeds_the_same(cls: type[Embedder]) -> None:
    """To the bit."""
    restored = again(_fitted(cls))
    assert restored.settings() == _fitted(cls).settings()
    np.testing.assert_array_equal(restored.embed(TEXTS, RUN), _vectors(cls))


@law(LAWS, "threads do not change the vectors")
def threads_do_not_change_the_vectors(cls: type[Embedder]) -> None:
    """One thread gives what two give, but for rounding."""
    run = Run(seed=1, threads=1)
    found = make(cls).fit(TEXTS, run).embed(TEXTS, run)
    np.testing.assert_allclose(found, _vectors(cls), atol=1e-4)


@law(LAWS, "what is no list of texts is refused")
def what_is_no_list_of_texts_is_refused(cls: type[Embedder]) -> None:
    """One string, and what is no text, are named; None is a text that says nothing."""
    fitted = _fitted(cls)
    with refused(InputError, "the text 'sink'; give a list of texts"):
        fitted.embed("sink")
    with refused(InputError, "Text 1 is 7, a int: give strings, or None for no text"):
        fitted.embed(["sink", 7])  # type: ignore[list-item]
    assert not fitted.embed([None, "  "]).any()


@law(LAWS, "one that learns asks for fit and for words")
def one_that_learns_asks_for_fit_and_for_words(cls: type[Embedder]) -> None:
    """Before `fit`, and where there is not one word to learn from, it says so."""
    if not cls.learns:
        return
    made = make(cls)
    with refused(NotFittedError, f"The embedder '{made.name}' is not fitted"):
        made.embed(TEXTS)
    with refused(InputError, f"{made.name} has nothing to learn from: 2 texts"):
        made.fit(["", None])


@lru_cache(maxsize=4)
def _fitted(cls: type[Embedder]) -> Embedder:
    made: Embedder = make(cls).fit(TEXTS, RUN)
    return made


@lru_cache(maxsize=4)
def _vectors(cls: type[Embedder]) -> np.ndarray:
    return _fitted(cls).embed(TEXTS, RUN).copy()
