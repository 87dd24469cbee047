"""Whatever an algorithm or a public function is given by mistake, one sentence names it and says what to give."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import wareloom as wl
from conftest import small_shop
from wareloom.core import asked
from wareloom.core.family import FAMILIES
from wareloom.errors import InputError, NotFittedError, WareloomError
from wareloom.rankers.baseline.popularity import Popularity
from wareloom.reranking import Catalogue
from wareloom.synthesis import Synthesizer

NAMES = [(kind, name) for kind, family in FAMILIES.items() for name in family.names()]
BEFORE: dict[str, Callable[[Any], Any]] = {
    "ranker": lambda one: one.rank(wl.Requests.sessions([["i1"]])),
    "synthesizer": lambda one: one.sample(3),
    "embedder": lambda one: one.embed(["text"]),
}
"""What cannot be asked before `fit`, by family"""
WRONG: dict[str, tuple[Callable[[Any], Any], ...]] = {
    "reader": (lambda one: one.tables(3, None), lambda one: one.tables("x", "y")),
    "synthesizer": (
        lambda one: one.fit("folder"),
        lambda one: one.fit(small_shop(), 7),
        lambda one: one.sample("10"),
        lambda one: one.sample(2.5),
    ),
    "screen": (
        lambda one: one.screen("fake", small_shop()),
        lambda one: one.screen(small_shop(), Path("x")),
    ),
    "mixer": (lambda one: one.mix("real", "fake"), lambda one: one.mix(small_shop(), 3)),
    "ranker": (
        lambda one: one.fit("folder"),
        lambda one: one.fit(None),
        lambda one: one.fit(small_shop(), run=7),
        lambda one: one.rank("sku-1"),
        lambda one: one.rank(wl.Requests.sessions([["i1"]]), k="10"),
        lambda one: one.score(small_shop()),
    ),
    "metric": (lambda one: (one.compare if hasattr(one, "compare") else one.measure)("figures"),),
    "embedder": (
        lambda one: one.fit("text"),
        lambda one: one.embed("text"),
        lambda one: one.embed(3),
    ),
    "text model": (lambda one: one.generate("prompt"), lambda one: one.score("prompt", ["text"])),
    "reranker": (
        lambda one: one.apply("ranking", Catalogue(small_shop())),
        lambda one: one.rerank("lists", Catalogue(small_shop())),
    ),
    "classifier": (
        lambda one: one.fit("folder"),
        lambda one: one.fit(small_shop(), 7),
        lambda one: one.predict("photos"),
    ),
    "attack": (
        lambda one: one.score("folder", wl.Run()),
        lambda one: one.attack("folder", wl.Run()),
    ),
}
"""What is given by mistake, by family"""


@cache
def made(kind: str, name: str) -> Any:
    """One of an algorithm, as quick as it can be had; None where it needs what is not here."""
    cls = FAMILIES[kind].load(name)
    for settings in ({}, cls.quick):
        try:
            return FAMILIES[kind].make(name, **settings)
        except WareloomError:
            continue
    return None


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_method_that_its_family_names_is_looked_after(kind: str, name: str) -> None:
    cls = FAMILIES[kind].load(name)
    assert cls.arguments
    for method, kinds in cls.arguments.items():
        if (own := getattr(cls, method, None)) is not None:
            assert hasattr(own, asked.WRAPPED), method
            assert {*kinds} & {*inspect.signature(own).parameters}, method


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_a_wrong_argument_is_named_with_what_to_give(kind: str, name: str) -> None:
    one = made(kind, name)
    for wrong in WRONG[kind] if one is not None else ():
        with pytest.raises(InputError, match=rf"^{one.name}\.\w+: \w+ is .*; give .*\.$"):
            wrong(one)


@pytest.mark.parametrize(("kind", "name"), [case for case in NAMES if case[0] in BEFORE])
def test_what_is_not_fitted_says_so(kind: str, name: str) -> None:
    one = made(kind, name)
    if one is None or not getattr(one, "learns", True):
        return
    with pytest.raises(NotFittedError, match=rf"^The {kind} '{name}' is not fitted: call fit\("):
        BEFORE[kind](one)
    with pytest.raises(NotFittedError, match="is not fitted"):
        one.save("nowhere")


def test_nearly_all_can_be_made_here() -> None:
    """Else the tests above would test nothing."""
    assert sum(made(kind, name) is not None for kind, name in NAMES) > 0.95 * len(NAMES)


def fitted() -> Popularity:
    model = wl.ranker("popularity").fit(small_shop())
    assert isinstance(model, Popularity)
    return model


def parts() -> Any:
    return wl.split(small_shop(), by="user", parts=(0.6, 0.2, 0.2))


A: Any = wl
"""The package for calls that a type checker would not let through"""
CALLS: dict[str, tuple[Callable[[], Any], str]] = {
    "advise": (lambda: A.advise("shop", "advice"), r"wl.advise: shop is the text 'shop'"),
    "split": (
        lambda: A.split("shop"),
        r"wl.split: shop is the text 'shop'; give a Shop: wl.open\('shop'\) opens",
    ),
    "split of a split": (lambda: A.split(parts()), r"shop is a Split; .* such as its .train"),
    "split of a frame": (lambda: A.split(pl.DataFrame()), r"a DataFrame; .* wl.read\(frame\)"),
    "split of a class": (lambda: A.split(wl.Shop), r"is the class Shop itself"),
    "clean": (lambda: A.clean(small_shop(), 3), r"wl.clean: to is the number 3; give the path"),
    "segment": (
        lambda: A.segment(Path("shop")),
        r"wl.segment: shop is the path 'shop'; .*wl.open\('shop'\)",
    ),
    "features": (lambda: A.features("shop"), r"wl.features: shop is the text"),
    "statistics": (lambda: A.statistics(None), r"wl.statistics: shop is None"),
    "pretrain": (lambda: A.pretrain("shop", "to"), r"wl.pretrain: shop is the text"),
    "compare": (
        lambda: A.compare(small_shop(), "fake"),
        r"wl.compare: synthetic is the text 'fake'",
    ),
    "compare with a seed": (
        lambda: A.compare(small_shop(), small_shop(), run=7),
        r"run is the number 7; give a Run: wl.Run\(seed=7\)",
    ),
    "evaluate a name": (
        lambda: A.evaluate("ease", parts()),
        r"model is the text 'ease'; give a fitted ranker: wl.ranker\(NAME\)",
    ),
    "evaluate on a shop": (
        lambda: A.evaluate(fitted(), small_shop()),
        r"parts is a Shop; give the whole split",
    ),
    "evaluate on parts": (
        lambda: A.evaluate(fitted(), tuple(parts())),
        r"parts is a tuple; give the whole split",
    ),
    "evaluate one metric": (
        lambda: A.evaluate(fitted(), parts(), metrics="ndcg@10,mrr"),
        r"a list of names, even of one: \['ndcg@10', 'mrr'\]",
    ),
    "evaluate before fit": (
        lambda: A.evaluate(A.ranker("ease"), parts()),
        r"The ranker 'ease' is not fitted: call fit",
    ),
    "screen": (
        lambda: A.screen(small_shop(), small_shop(), screens="schema"),
        r"screens is the text 'schema'; give a list .*\['schema'\]",
    ),
    "sample": (
        lambda: A.sample("markov", 3, small_shop()),
        r"fitted is the text 'markov'; give a fitted synthesizer",
    ),
    "sample before fit": (
        lambda: A.sample(A.synthesizer("markov"), 3, small_shop()),
        r"'markov' is not fitted",
    ),
    "mix": (lambda: A.mix(small_shop(), "fake"), r"wl.mix: synthetic is the text 'fake'"),
    "mix by a number": (
        lambda: A.mix(small_shop(), small_shop(), 0.5),
        r"mixer is the number 0.5; give a name",
    ),
    "prove": (lambda: A.prove("shop"), r"wl.prove: shop is the text"),
    "prove with a class": (
        lambda: A.prove(small_shop(), ranker=Popularity),
        r"ranker is the class Popularity itself; give a name, or what wl.ranker makes",
    ),
    "prove with one screen": (
        lambda: A.prove(small_shop(), screens="leak"),
        r"screens is the text 'leak'",
    ),
    "agree": (lambda: A.agree(small_shop(), 3), r"wl.agree: labels is the number 3; give a name"),
    "leaderboard": (
        lambda: A.leaderboard(small_shop(), "ease"),
        r"rankers is the text 'ease'; .*\['ease'\]",
    ),
    "write_report": (
        lambda: A.write_report("proof", "page.html"),
        r"proof is the text 'proof'; give a Proof",
    ),
    "run_recipe": (
        lambda: A.run_recipe("job.toml", "job"),
        r"recipe is the text 'job.toml'; give a Recipe: wl.Recipe.load",
    ),
    "freeze": (lambda: A.freeze(A.Recipe()), r"wl.freeze: recipe is a Recipe; give the path"),
    "open": (lambda: A.open(None), r"wl.open: path is None; give the path"),
    "read": (lambda: A.read(3), r"is a int: give a file, a folder, a frame"),
    "Shop": (
        lambda: A.Shop({"items": [1]}),
        r"Shop: the table 'items' is a list; give a frame of polars; wl.read",
    ),
    "Shop.open": (lambda: A.Shop.open(3), r"Shop.open: path is the number 3"),
    "Log.of": (lambda: A.Log.of("shop"), r"Log.of: shop is the text 'shop'"),
    "Requests.of": (
        lambda: A.Requests.of(small_shop()),
        r"log is a Shop; give a Log: wl.Log.of\(shop\)",
    ),
    "sessions of a text": (
        lambda: A.Requests.sessions("sku-1"),
        r"histories is the text 'sku-1'; give a list of sessions.*: \[\['sku-1'\]\]",
    ),
    "sessions of texts": (
        lambda: A.Requests.sessions(["sku-1"]),
        r"history 0 is the text 'sku-1'; .* \[\['sku-1'\]\]",
    ),
    "sessions of numbers": (
        lambda: A.Requests.sessions([["a"], [1001]]),
        r"an item id is the number 1001; give ids as texts: '1001'",
    ),
    "sessions of nothing": (lambda: A.Requests.sessions(3), r"histories is the number 3"),
    "users of a text": (
        lambda: A.Requests(users="u1"),
        r"Requests: users is the text 'u1'; give a list of texts, even of one: \['u1'\]",
    ),
}


@pytest.mark.parametrize("case", CALLS)
def test_public_functions_say_what_was_given_and_what_to_give(case: str) -> None:
    call, said = CALLS[case]
    with pytest.raises(WareloomError, match=said) as found:
        call()
    assert "\n" not in str(found.value)


def test_every_public_function_is_among_them() -> None:
    functions = {name for name in dir(wl) if inspect.isfunction(getattr(wl, name))}
    named = {"list", "ranker", "synthesizer", "mixer"}
    """Tested where they are: tests/unit/test_opening.py and test_makers.py"""
    assert functions - named <= {case.partition(" ")[0] for case in CALLS}


def test_an_algorithm_of_somebody_elses_is_looked_after_too() -> None:
    @dataclass(kw_only=True, eq=False)
    class Own(Synthesizer):
        """Somebody's."""

        def fit(self, shop: wl.Shop, run: wl.Run | None = None) -> Own:
            raise AssertionError("was called")

        def sample(self, n: int, run: wl.Run | None = None, given: Any = None) -> wl.Shop:
            raise AssertionError("was called")

    one: Any = Own()
    with pytest.raises(InputError, match=r"Own\.fit: shop is the text 'x'"):
        one.fit("x")
    with pytest.raises(InputError, match=r"Own\.sample: n is True; give a whole number"):
        one.sample(True)


def test_what_fits_passes_by_name_and_by_place() -> None:
    @asked.asks(n=asked.a_count, to=asked.a_path, names=asked.names("a"))
    def function(n: int = 3, *, to: Any = None, names: Any = ()) -> Any:
        return n, to, names

    assert function() == (3, None, ())
    assert function(np.int64(5), to=Path("x"), names=pl.Series(["a"])).__len__() == 3
    assert function(n=4, to=None) == (4, None, ())
    with pytest.raises(InputError, match=r"wl.function: to is a list; give the path"):
        function(to=[])
    with pytest.raises(InputError, match=r"names is a dict; give a list of names, such as \['a'\]"):
        function(names={})
    with pytest.raises(TypeError, match="unexpected keyword"):
        function(m=3)
    assert function.__name__ == "function"
