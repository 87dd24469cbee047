"""Tuned: a small language model learns from products and their queries to write queries for others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from annotated_types import Ge

from wareloom.core.family import SYNTHESIZERS, TEXT_MODELS
from wareloom.core.run import Run
from wareloom.core.settings import Count, NonNegative, ShareBelowOne, Size
from wareloom.errors import SettingError, SourceError
from wareloom.language.models import Estimate, Sampling, estimate
from wareloom.language.models.local import LocalModel, _Loaded, fingerprint, load
from wareloom.language.safety import as_data
from wareloom.language.titles import HEAD, TitleReader
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.keeps import Keeps
from wareloom.synthesis import GivenItems
from wareloom.synthesis.queries._clean import borrowed, first_query, foreign_numbers
from wareloom.synthesis.queries._varied import Written
from wareloom.synthesis.queries._writer import Writer, hash_of
from wareloom.synthesis.queries.base import QuerySynthesizer, real_queries

if TYPE_CHECKING:
    from wareloom.neural.decoders import DecoderNetwork, Lessons, Pair

WHO = "synthesizer 'tuned'"
TUNINGS = ("lora", "adalora", "adapter", "prefix", "full")
HELD = 20
"""Pairs that are held out at least, if any are"""


@dataclass(kw_only=True, eq=False)
class Tuned(QuerySynthesizer):
    """Tune a text model on products and their queries, and let it write queries for any product of the shop.

    It learns from the shop's real queries with the products that answered them; where these are fewer than
    `min_real_queries`, from `training_queries` of another synthesizer (`report_` says which). Of `tries` drawn queries
    a product gets the likeliest, less `penalty` times its likeness to what was written for products of its kind, since
    plain sampling repeats itself. An answer is kept as by `prompted`: twelve words at most, no copy of the title, no
    personal data, no word of `block`, no number that the title lacks. Only what was tuned is saved: one restored needs
    the same text model. With the run's cache folder stopped training goes on where it was. Nogueira and Lin (2019)
    write queries so from documents. Needs the extra `text`.
    """

    keeps: ClassVar[Keeps] = "people"
    quick: ClassVar[Mapping[str, Any]] = {
        "model": "huggingface",
        "model_settings": "<taught decoder>",
        "tuning_size": 2,
        "training_queries": 64,
        "min_real_queries": 4,
        "epochs": 1,
        "learning_rate": 1e-4,
        "max_tokens": 16,
        "tries": 2,
        # Hardly taught and drawn freely it now and then writes a sign that nobody types.
        "temperature": 0.7,
        "top_p": 0.8,
    }
    renamed: ClassVar[Mapping[str, str]] = {
        "lessons": "training_queries",
        "fewest": "min_real_queries",
    }

    model: str = "embedded"
    """The text model that is tuned: embedded, huggingface, or package.module:Class of a local one."""
    model_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings."""
    tuning: Literal["lora", "adalora", "adapter", "prefix", "full"] = "lora"
    """Which weights are learned: those of LoRA, AdaLoRA, bottleneck adapters or a prefix, or all."""
    tuning_size: Size = 8
    """Rank of LoRA, mean rank AdaLoRA ends with, width of an adapter, length of a prefix."""
    merged: bool = True
    """Whether LoRA is folded into the weights for sampling, which is faster; kept apart otherwise."""
    queries: str = "attributes"
    """The synthesizer that is learned from where the shop has too few real queries."""
    query_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings."""
    training_queries: Size = 2_000
    """Queries it writes for that."""
    min_real_queries: Size = 50
    """Real queries with a product from which the shop's own are learned from."""
    by_category: bool = True
    """Whether a product's category is read beside its title, where the shop has categories."""
    longest: Annotated[int, Ge(16)] = 160
    """Bytes of a title that are read: a Latin letter is one, a Chinese sign three."""
    pretrain_epochs: Count = 0
    """Passes over the shop's titles before, by causal pre-training of what is tuned."""
    epochs: Size = 2
    """Passes over the pairs, at most."""
    batch_size: Size = 16
    """Pairs an update."""
    learning_rate: NonNegative = 0.0
    """Highest step size; 0 takes one that suits the tuning."""
    weight_decay: NonNegative = 0.0
    """Decoupled decay of the weights."""
    patience: Count = 3
    """Evaluations, of ten in all, without a better value after which training stops; 0 never stops early."""
    validation: ShareBelowOne = 0.05
    """Share of products held out, with all pairs of their queries; none where it comes to fewer than 20 pairs."""
    temperature: float = 1.0
    """Above 1 queries are freer, below 1 stricter."""
    top_p: float = 0.95
    """Share of the likeliest words that are drawn from."""
    max_tokens: int = 24
    """Pieces of words a query has at most."""
    tries: Size = 4
    """Queries drawn for a product, of which one is taken."""
    penalty: NonNegative = 2.0
    """What likeness to earlier queries of a kind of product takes off the mean log-probability; 0 nothing."""
    title_penalty: NonNegative = 0.0
    """What a query takes off that whose words all stand in its title; half of them half. 0 nothing."""
    block: tuple[str, ...] = ()
    """Words that no query may have."""

    def _check(self) -> None:
        self._sampling()
        made = TEXT_MODELS.make(self.model, **self.model_settings)
        if not isinstance(made, LocalModel):
            raise SettingError(
                f"tuned: the text model {self.model!r} is not computed here: take embedded or huggingface."
            )
        self._model: LocalModel = made
        teacher = SYNTHESIZERS.load(self.queries)
        if not issubclass(teacher, QuerySynthesizer) or issubclass(teacher, Tuned):
            raise SettingError(
                f"tuned: {self.queries!r} writes no queries to learn from: take attributes or prompted."
            )

    def _sampling(self) -> Sampling:
        return Sampling(
            max_tokens=self.max_tokens, temperature=self.temperature, top_p=self.top_p, stop=("\n",)
        )

    def sample(self, n: int, run: Run | None = None, given: GivenItems | None = None) -> Shop:
        """Write `n` queries; what counts as written before is that of this call."""
        self._written: Written | None = Written()
        try:
            return super().sample(n, run, given)
        finally:
            self._written = None

    def plan(self, n: int, run: Run | None = None) -> Estimate:
        """Return what writing `n` queries would take at most; nothing is asked."""
        run = run or Run()
        return estimate(self._writer(run), self._asked(n, run), self._sampling(), run)

    def planned(self, shop: Shop, n: int, run: Run | None = None) -> Estimate:
        """Return what tuning takes in updates, and writing `n` queries with what was tuned; neither is done."""
        run = run or Run()
        self._read(shop)
        _, _, updates, _ = self._before_tuning(shop, run)
        return replace(
            estimate(self._model, self._asked(n, run), self._sampling(), run), updates=updates
        )

    def _asked(self, n: int, run: Run) -> list[str]:
        self._checked(n)
        items = self.writable_[run.rng("tuned", "plan").integers(len(self.writable_), size=n)]
        return self._prompts(np.repeat(items, self.tries))

    def _before_tuning(self, shop: Shop, run: Run) -> tuple[pl.DataFrame, pl.DataFrame, int, str]:
        """Pairs that are learned from, pairs held out, updates, and whose queries these are."""
        self.kinds_, self.shown_ = self._kinds()
        rows, source = self._pairs_to_learn(shop, run)
        told, held = _parted(rows, self.validation, run.rng("tuned", "held"))
        how, titles = self._plan(len(told)), self._titles() if self.pretrain_epochs else []
        updates = how.updates(len(told)) + self._before(how).updates(len(titles)) * bool(titles)
        return told, held, updates, source

    def _learn(self, shop: Shop, run: Run) -> None:
        from wareloom.neural.training import seeded
        from wareloom.neural.tuning import tuned_weights

        self.__dict__.pop("_drawn_by", None)
        told, held, updates, source = self._before_tuning(shop, run)
        titles = self._titles() if self.pretrain_epochs else []
        self.base_ = {"model": self.model, "fingerprint": fingerprint(self._model._source(run))}
        with seeded(run, "tuned"):
            net, loaded = self._build(run, updates)
            self.training_ = self._teach(net, loaded, told, held, titles, run)
        self.weights_ = tuned_weights(net)
        taken = int(self.training_[-1]["step"])
        self.report_ = {
            "learned_from": source,
            "pairs": len(told),
            "held_out": len(held),
            "updates": taken,
        }
        self._draw_by(net, loaded)

    def _pairs_to_learn(self, shop: Shop, run: Run) -> tuple[pl.DataFrame, str]:
        """What is learned from: item (code into the catalogue) and query; and whose queries these are."""
        real = real_queries(shop).filter(
            pl.col("item_id").is_not_null() & pl.col("query").str.contains(r"\w")
        )
        rows, source = self._coded(real), "real queries"
        if len(rows) < self.min_real_queries:
            teacher = SYNTHESIZERS.make(self.queries, **self.query_settings).fit(shop, run)
            rows, source = (
                self._coded(teacher.sample(self.training_queries, run).table("judgments")),
                self.queries,
            )
        return rows, source

    def _coded(self, rows: pl.DataFrame) -> pl.DataFrame:
        code = Vocabulary(self.catalogue_["item_id"]).encode(rows["item_id"])
        query = rows["query"].str.replace_all(r"\s+", " ").str.strip_chars(" ")
        coded = pl.DataFrame({"item": pl.Series(code, dtype=pl.Int64), "query": query})
        return coded.filter(pl.col("item").is_in(self.writable_)).unique(maintain_order=True)

    def _kinds(self) -> tuple[pl.Series, pl.Series]:
        """What is alike of products: the finest category, else the head noun; and the category that is shown."""
        titles = self.catalogue_["title"].fill_null("").to_list()
        brands = self.catalogue_["brand"].to_list() if "brand" in self.catalogue_.columns else []
        if "category" in self.catalogue_.columns:
            kinds = self.catalogue_["category"].list.last().fill_null("")
            if kinds.n_unique() > 1:
                return kinds.rename("kinds_"), (
                    kinds if self.by_category else kinds.head(0)
                ).rename("shown_")
        _, read = TitleReader.of_catalogue(titles, brands)
        heads = [
            next((w for w, role in zip(t.words, t.roles, strict=True) if role == HEAD), "")
            for t in read
        ]
        return pl.Series("kinds_", heads, dtype=pl.String), pl.Series("shown_", [], dtype=pl.String)

    def _plan(self, pairs: int) -> Lessons:
        from wareloom.neural.decoders import RATES, Lessons

        rate = self.learning_rate or RATES[self.tuning]
        return Lessons(
            learning_rate=rate,
            epochs=self.epochs,
            batch_size=min(self.batch_size, pairs),
            weight_decay=self.weight_decay,
            patience=self.patience,
        )

    def _before(self, how: Lessons) -> Lessons:
        """How titles are learned."""
        return replace(how, epochs=max(1, self.pretrain_epochs), batch_size=self.batch_size)

    def _build(self, run: Run, updates: int = 1) -> tuple[DecoderNetwork, _Loaded]:
        """Load the text model anew, since it is changed in place, and hang on it what is learned."""
        from wareloom.neural.decoders import DecoderNetwork

        dtype = self._model._dtype(run)
        if self.tuning == "full" and dtype != "fp32":
            # Steps are too small for the 8 bits of bf16; training computes in bf16 all the same where that is faster.
            dtype = "fp32"
        loaded = load(self._model._folder(run), run.device, dtype, self._model.name)
        net = DecoderNetwork(loaded.model, self.tuning, self.tuning_size, WHO, updates)
        return net.eval().to(run.device), loaded

    def _teach(
        self,
        net: DecoderNetwork,
        loaded: _Loaded,
        told: pl.DataFrame,
        held: pl.DataFrame,
        titles: list[str],
        run: Run,
    ) -> list[dict[str, float]]:
        from wareloom.neural.decoders import teach

        pairs, tests, how = (
            self._pairs(told, loaded),
            self._pairs(held, loaded),
            self._plan(len(told)),
        )
        kept = self._checkpoint([pairs, tests, titles], run)
        if titles and not (kept and kept.exists()):
            start = loaded.prompt("", False, "", "") or [_end(loaded)[0]]
            whole = [
                (start, [*loaded.words(as_data(title, self.longest)), *_end(loaded)])
                for title in titles
            ]
            before = kept.with_suffix(".titles.safetensors") if kept else None
            teach(net, whole, [], self._before(how), run, before)
        return teach(net, pairs, tests, how, run, kept)

    def _titles(self) -> list[str]:
        return [
            self._cut(title) for title in self.catalogue_["title"].gather(self.writable_).to_list()
        ]

    def _pairs(self, rows: pl.DataFrame, loaded: _Loaded) -> list[Pair]:
        prompts = self._prompts(rows["item"].to_numpy())
        return [
            (loaded.prompt(prompt, False, "", ""), [*loaded.words(f" {query}"), *_end(loaded)])
            for prompt, query in zip(prompts, rows["query"].to_list(), strict=True)
        ]

    def _prompts(self, items: np.ndarray) -> list[str]:
        titles = self.catalogue_["title"].gather(items).to_list()
        shown = self.shown_.gather(items).to_list() if len(self.shown_) else [""] * len(items)
        heads = [f"{as_data(self._cut(kind))} " if kind else "" for kind in shown]
        return [
            f"{head}{as_data(self._cut(title))}\nSearch:"
            for head, title in zip(heads, titles, strict=True)
        ]

    def _cut(self, text: str) -> str:
        return text[: self.longest].encode()[: self.longest].decode(errors="ignore")

    def _checkpoint(self, learned: list[Any], run: Run) -> Path | None:
        """Where this very training keeps its state: by settings, text model, pairs, seed and version."""
        from wareloom.neural.checkpoint import kept_at

        return kept_at(run, ["tuned", self.settings(), self.base_, learned])

    def _draw_by(self, net: DecoderNetwork, loaded: _Loaded) -> Writer:
        """Make a text model of what was learned."""
        loaded.model = net.merged() if self.merged else net.model
        own: dict[str, Any] = {
            "name": "tuned",
            "base": self.base_,
            "weights": hash_of(self.weights_),
            "merged": self.merged,
        }
        own["tuning"] = [self.tuning, self.tuning_size]
        self._drawn_by = Writer(chat=False, batch_size=self._model.batch_size).put(loaded, own)
        return self._drawn_by

    def _writer(self, run: Run) -> Writer:
        """What queries are drawn from, built anew from the text model and the weights where this was restored."""
        kept: Writer | None = vars(self).get("_drawn_by")
        if kept is not None:
            return kept
        from wareloom.neural.training import seeded
        from wareloom.neural.tuning import put_weights

        if (found := fingerprint(self._model._source(run))) != self.base_["fingerprint"]:
            raise SourceError(
                f"The {WHO} was fitted on the text model {self.base_['model']!r} with the fingerprint "
                f"{self.base_['fingerprint']}, but what is there has {found}: put back the one it knew, or fit again."
            )
        with seeded(run, "tuned"):
            net, loaded = self._build(run)
        put_weights(net, self.weights_, f"the {WHO}")
        return self._draw_by(net, loaded)

    def _write(self, items: np.ndarray, run: Run) -> Sequence[str]:
        prompts = [prompt for prompt in self._prompts(items) for _ in range(self.tries)]
        answers = self._writer(run).generate(prompts, run, settings=self._sampling())
        titles = self.catalogue_["title"].gather(items).to_list()
        kinds, said = self.kinds_.gather(items).to_list(), []
        written: Written = vars(self).get("_written") or Written()
        for place, (title, kind) in enumerate(zip(titles, kinds, strict=True)):
            drawn = answers[place * self.tries : (place + 1) * self.tries]
            queries = [self._query(answer.text, title) for answer in drawn]
            worths = [
                (answer.log_probability or 0.0) / max(1, answer.tokens)
                - self.title_penalty * borrowed(query, title)
                for answer, query in zip(drawn, queries, strict=True)
            ]
            said.append(written.choose(queries, worths, kind, self.penalty))
        return said

    def _query(self, text: str, title: str) -> str:
        query = first_query(text, title, self.block)
        return "" if foreign_numbers(query, title) else query


def _end(loaded: _Loaded) -> list[int]:
    """The tokens that end an answer: the mark of the model, else a line break."""
    mark = loaded.tokenizer.eos_token_id
    return loaded.words("\n") if mark is None else [int(mark)]


def _parted(
    rows: pl.DataFrame, share: float, rng: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Hold out the pairs of a share of the products; no query of theirs stays among the others, in whatever case."""
    items = rows["item"].unique().sort().to_numpy()
    out = rng.permutation(items)[: round(share * len(items))]
    held = rows.filter(pl.col("item").is_in(out))
    if len(held) < HELD:
        return rows, rows.head(0)
    known = held["query"].str.to_lowercase().unique()
    told = rows.filter(
        ~pl.col("item").is_in(out) & ~pl.col("query").str.to_lowercase().is_in(known.implode())
    )
    return (told, held) if len(told) else (rows, rows.head(0))
