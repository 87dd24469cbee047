"""Flow: customer-service dialogues by a world, a plan, real phrases and a check of every fact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import polars as pl

from wareloom.core.family import TEXT_MODELS
from wareloom.core.run import Run
from wareloom.core.settings import Count, Share, Size
from wareloom.core.state import json_text
from wareloom.errors import InputError, SettingError, near
from wareloom.language.acts import REQUEST, goal_of
from wareloom.language.models import Estimate, TextModel
from wareloom.language.personal import personal_data
from wareloom.language.runs import LEAST, runs_of
from wareloom.shop import Shop
from wareloom.shop.keeps import Keeps
from wareloom.synthesis import Condition, Synthesizer
from wareloom.synthesis.dialogues.chain import Chain, Failures, learned_chain
from wareloom.synthesis.dialogues.check import check, triples
from wareloom.synthesis.dialogues.cuts import cut, cuts_of
from wareloom.synthesis.dialogues.dice import Dice, Weighed
from wareloom.synthesis.dialogues.frames import frame_of
from wareloom.synthesis.dialogues.phrases import (
    PARTS,
    WORLD,
    Phrase,
    Talk,
    bank_of,
    replies_of,
    talks_of,
    values_of,
)
from wareloom.synthesis.dialogues.plan import TRIED, Planner
from wareloom.synthesis.dialogues.policies import policies_of, read_policies
from wareloom.synthesis.dialogues.rates import rates
from wareloom.synthesis.dialogues.spoken import Draft, chosen_by, need_of, written_by
from wareloom.synthesis.dialogues.words import Edits, Turn, Writer
from wareloom.synthesis.dialogues.world import STATES, World, make_world, spoken_title
from wareloom.synthesis.draws import mark

BLOCK = 200
"""Dialogues of one stream of random numbers"""
TRIES = 8
"""Draws of a dialogue until one passes the check"""
STATES_DRAWN = Weighed(STATES, (0.1, 0.3, 0.25, 0.28, 0.03, 0.04))
"""How often an order is in each state when somebody asks about it"""
OPEN_ENDED = 0.5
"""Share of dialogues that end without a farewell from which on a log is taken to be cut before their ends"""


@dataclass(kw_only=True, eq=False)
class Flow(Synthesizer):
    """Write customer-service dialogues in four stages: a world, a plan, words, and a check of all that agents say.

    World: an item of the catalogue, an order as a state machine, a customer, and the shop's policies. Plan: customers
    go on as in the log (pairs of acts, calibrated), agents by rules; orders change by them alone. Words: customers say
    real phrases of that act with other slots in them, agents sentences whose every fact is the world's. Check: numbers,
    days, prices, states, places, products and policies of agents are resolved to facts, without contradictions, loops,
    personal data, or runs of 12 words that fewer than 5 real dialogues have. Acts, intents and slots are labels by
    construction.
    """

    keeps: ClassVar[Keeps] = "people"
    knows: ClassVar[frozenset[str]] = frozenset({"text", "world"})
    of: ClassVar[Literal["behaviour", "queries", "labels", "searches", "dialogues"]] = "dialogues"
    counts: ClassVar[Literal["users", "queries", "dialogues"]] = "dialogues"
    takes: ClassVar[type[Condition]] = Condition
    quick: ClassVar[Mapping[str, Any]] = {"min_phrases": 0}

    policies: str = ""
    """A TOML file of the shop's policies; the example's where empty."""
    catalogue: str = ""
    """A shop whose items are talked about, where the log's own has none."""
    phrases: tuple[str, ...] = ()
    """Further shops whose dialogues lend phrases."""
    intents: tuple[str, ...] = ()
    """Intents that customers come with; all requests of the log where none are named."""
    language: Literal["", "en", "zh"] = ""
    """The language of dialogues; as in the log where empty."""
    min_phrases: Count = 500
    """Phrases of a language below which they are too few to speak in."""
    seen_in: Size = 1
    """Dialogues that have to have a phrase for it to be said again; 5 or more keeps counts instead of people."""
    wrong_number: Share = 0.08
    """Share of order numbers that customers give wrongly at first."""
    asks_twice: Share = 0.05
    """Share of answers after which customers ask again."""
    changes_mind: Share = 0.05
    """Share of offers that are declined, where the log does not say."""
    angry: Share = 0.05
    """Share of requests that turn into complaints, where the log does not say."""
    off_topic: Share = 0.04
    """Share of requests after which customers talk of other things, where the log does not say."""
    leaves: Share = 0.04
    """Share of turns after which customers leave, where the log does not say."""
    typos: Share = 0.04
    """Share of careless customers' phrases with one slip more than the log's."""
    frames: Share = 0.3
    """Share of English requests that begin in another way."""
    ends: Literal["whole", "logged"] = "whole"
    """Whether dialogues go on to their ends, or are cut as the log's are where it shows no ends."""
    model: str = ""
    """A text model behind agents' words: embedded, huggingface, endpoint or package.module:Class; none if empty."""
    model_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings, such as base_url and model."""
    model_does: Literal["chooses", "writes"] = "chooses"
    """Whether it chooses among sentences, or writes round facts that a grammar holds; the embedded one only chooses."""

    def _check(self) -> None:
        if self.model == "embedded" and self.model_does == "writes":
            raise SettingError(
                "flow: the embedded language model writes no dialogues: let it choose (model_does = chooses), or name "
                "an endpoint."
            )

    def holds(self) -> Keeps:
        """Phrases that five dialogues have are nobody's own."""
        return "counts" if self.seen_in >= LEAST else "people"

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn phrases, acts and how customers go on from a shop's dialogues.

        Raises `InputError` where there is no item with a title, or where phrases are too few.
        """
        run = run or Run()
        self._forget()
        self._catalogue(shop)
        beside = [Shop.open(path) for path in self.phrases]
        self.meta_ = dict(shop.meta)
        self.policies_ = read_policies(self.policies).plain()
        with run.task("phrases"):
            talks = talks_of([shop, *beside], self.language)
            self.values_: dict[str, dict[str, int]] = values_of([shop, *beside])
            self.bank_ = bank_of(talks, self.values_, self.seen_in)
        self._enough(talks)
        self.replies_ = replies_of(talks)
        self.runs_ = runs_of((talk.language, talk.texts) for talk in talks)
        self._learn(talks, run)
        self._fitted_on(shop)
        return self

    def _catalogue(self, shop: Shop) -> None:
        items = (Shop.open(self.catalogue) if self.catalogue else shop).table("items")
        titles = items["title"].fill_null("") if "title" in items.columns else pl.Series([""])
        if not titles.str.contains(r"\w").any():
            raise InputError(
                f"The synthesizer {self.name!r} talks about items, but no item has a title: give a shop whose items "
                "are sold, --set catalogue=SHOP."
            )
        self.items_ = items
        kept = items.filter(titles.str.contains(r"\w"))
        price = kept["price"] if "price" in kept.columns else pl.repeat(None, len(kept), eager=True)
        self.sold_ = kept.select("item_id", "title").with_columns(
            price=price.cast(pl.Float64).round(2)
        )

    def _enough(self, talks: Sequence[Talk]) -> None:
        found = Counter[str]()
        for language, number in self.bank_.group_by("language").len().iter_rows():
            found[language] = number
        usable = {language for language, number in found.items() if number >= self.min_phrases}
        if not usable:
            told = ", ".join(f"{n:,} in {name}" for name, n in sorted(found.items())) or "none"
            raise InputError(
                f"too few: the synthesizer {self.name!r} speaks in the log's own phrases and needs "
                f"{self.min_phrases:,} of a language; of {len(talks):,} dialogues it can use {told}. Add some with "
                "--set phrases=SHOP, or lower min_phrases and get dialogues that repeat themselves."
            )
        shares = Counter(talk.language for talk in talks)
        self.languages_ = {name: shares[name] for name in sorted(usable)}

    def _learn(self, talks: Sequence[Talk], run: Run) -> None:
        self.chains_: dict[str, Any] = {}
        self.requests_: dict[str, Any] = {}
        self.rates_: dict[str, Any] = {}
        names = sorted(self.bank_.filter(pl.col("act") == REQUEST)["intent"].unique().to_list())
        if strange := [name for name in self.intents if name not in names]:
            raise InputError(
                f"flow: the log has no request {strange[0]!r}.{near(strange[0], names)} It has {', '.join(names)}."
            )
        for language in self.languages_:
            own = [talk for talk in talks if talk.language == language and talk.acts]
            acts, turns = [talk.acts for talk in own], [talk.turns for talk in own]
            found = rates(acts, turns)
            # Contexts that are cut before their end say nothing of how dialogues end.
            ends = found["abandon"] < OPEN_ENDED
            lengths = [] if ends else [talk.customers for talk in own]
            chain = learned_chain(acts, turns, self._failures(), lengths)
            self.rates_[language] = {k: v for k, v in found.items() if ends or k != "abandon"}
            self.requests_[language] = self._requests(own, language)
            with run.task(f"grammar of {language}"):
                planner = self._planner(language, chain)
                dice = Dice(run.rng(self.name, "calibration", language))
                worlds = [self._world(language, dice) for _ in range(BLOCK)]
                planner.calibrate(worlds, dice, min(TRIED, 4 * len(own)))
            self.chains_[language] = chain.state()

    def _failures(self) -> Failures:
        return Failures(
            self.asks_twice,
            self.changes_mind,
            self.wrong_number,
            self.leaves,
            self.angry,
            self.off_topic,
        )

    def _requests(self, talks: Sequence[Talk], language: str) -> dict[str, Any]:
        """How often each intent is a request, and the details that customers give after it."""
        there = set(
            self.bank_.filter((pl.col("act") == REQUEST) & (pl.col("language") == language))[
                "intent"
            ]
        )
        counts, details = Counter[str](), dict[str, Counter[str]]()
        for talk in talks:
            intent, own = "", list[str]()
            rows = zip(talk.acts, talk.intents, talk.templates, strict=True)
            for act, label, template in [*rows, (REQUEST, "", "")]:
                if act == REQUEST:
                    if intent in there:
                        details.setdefault(intent, Counter())["|".join(own)] += 1
                    if label in there and (not self.intents or label in self.intents):
                        counts[label] += 1
                        intent = label
                    else:
                        intent = ""
                    own = []
                elif act == "provide":
                    names = sorted(set(Phrase.of(template).names))
                    # Agents ask for the order's number by themselves.
                    asked = not any(WORLD.get(n) == "order.id" for n in names)
                    if names and asked and all(n in WORLD or n in self.values_ for n in names):
                        own.append(" ".join(names))
        if not counts:
            asked = any(act == REQUEST for talk in talks for act in talk.acts)
            raise InputError(
                f"flow: no request stands in {self.seen_in} dialogues: lower seen_in, or give more dialogues."
                if asked and self.seen_in > 1
                else "flow: no customer of the log asks for anything: fill the column intent of its dialogues, or act."
            )
        return {
            "intents": dict(sorted(counts.items())),
            "details": {k: dict(sorted(v.items())) for k, v in sorted(details.items())},
        }

    def _planner(self, language: str, chain: Chain) -> Planner:
        writer = self._writer()
        told = self.requests_[language]
        intents = [(name, goal_of(name)) for name in told["intents"]]
        details = {}
        for name, own in told["details"].items():
            sets = [tuple(tuple(part.split(" ")) for part in key.split("|") if part) for key in own]
            details[name] = Weighed(sets, [float(n) for n in own.values()])
        return Planner(
            chain,
            self._failures(),
            Weighed(intents, [float(n) for n in told["intents"].values()]),
            details,
            writer.orders(language),
            writer.has(language, "offtopic"),
            writer.has(language, "complain"),
        )

    def _writer(self) -> Writer:
        held = vars(self).get("_held")
        if held is None or held[0] is not self.bank_:
            edits = Edits(self.typos, self.frames)
            made = Writer(self.bank_, self.replies_, self.values_, edits)
            self._held = held = (self.bank_, made)
        return held[1]

    def _world(self, language: str, dice: Dice) -> World:
        place = dice.whole(0, len(self.sold_) - 1)
        item, title, price = self.sold_.row(place)
        state = dice.weighed(STATES_DRAWN)
        currency = str(self.meta_.get("currency") or ("CNY" if language == "zh" else "USD"))
        policies = policies_of(json_text(self.policies_))
        return make_world((item, title, price), state, policies, currency, language, dice)

    def sample(self, n: int, run: Run | None = None, given: Condition | None = None) -> Shop:
        """Write `n` dialogues; returns the catalogue and a table dialogues, with intents, slots, facts and outcomes.

        Raises `InputError` where hardly any dialogue passes the check.
        """
        self._checked(n, given)
        run = run or Run()
        made, refused = self.written(n, run)
        frame = frame_of(made, self.origin, mark(self, n, run, None))
        told = {"policies": self.policies_, "dialogues": {"refused": dict(sorted(refused.items()))}}
        tables = {"items": self.items_, "dialogues": frame}
        return self._stamped(Shop.trusted(tables, {**self.meta_, **told}))

    def plan(self, n: int, run: Run | None = None) -> Estimate | None:
        """Return what `sample(n)` would ask of a language model at most; None where it asks none to write."""
        if not self.model or self.model_does != "writes":
            return None
        self.check_fitted()
        run = run or Run()
        return need_of(self._speaker(), self.drafts(n, run)[0], run)

    def _speaker(self) -> TextModel:
        made: TextModel = TEXT_MODELS.make(self.model, **self.model_settings)
        return made

    def written(self, n: int, run: Run) -> tuple[list[Draft], Counter[str]]:
        """Draw `n` dialogues that pass the check, in a model's words where one is named, and what was refused."""
        made, refused = self.drafts(n, run)
        if not self.model:
            return made, refused
        products, seen = self._products(), dict[str, bool]()

        def why(turns: Sequence[Turn], language: str) -> str:
            of = products[language]
            return check(turns, language, self.runs_, of, lambda turn: _personal(turn, seen))

        if self.model_does == "writes":
            made, told = written_by(self._speaker(), made, why, run)
        else:
            dice = Dice(run.rng(self.name, "candidates"))
            chosen, told = chosen_by(self._speaker(), made, self._writer(), dice, run)
            # What is chosen turn by turn may repeat itself: such a dialogue stays as it was drawn.
            made = [
                new if not why(new[1], new[2]) else old
                for old, new in zip(made, chosen, strict=True)
            ]
        refused["the model's words"] = told.asked - told.taken
        return made, refused

    def drafts(self, n: int, run: Run) -> tuple[list[Draft], Counter[str]]:
        """Draw `n` dialogues that pass the check: plan, turns and language; and how many did not, by reason."""
        writer = self._writer()
        planners = {
            name: self._planner(name, Chain.of_state(self.chains_[name]))
            for name in self.languages_
        }
        languages = Weighed(list(self.languages_), [float(v) for v in self.languages_.values()])
        products = self._products()
        cuts = cuts_of(planners) if self.ends == "logged" else {}
        seen: dict[str, bool] = {}
        made, refused = list[Draft](), Counter[str]()
        with run.task("dialogues", n) as advance:
            for block in range((n + BLOCK - 1) // BLOCK):
                dice = Dice(run.rng(self.name, "dialogues", block))
                for _ in range(min(BLOCK, n - block * BLOCK)):
                    for _ in range(TRIES):
                        language = dice.weighed(languages)
                        plan = planners[language].plan(self._world(language, dice), dice)
                        turns = writer.turns(plan.steps, plan.world, dice)
                        why = check(
                            turns, language, self.runs_, products[language],
                            lambda turn: _personal(turn, seen),
                        )  # fmt: skip
                        if not why:
                            made.append(cut((plan, turns, language), cuts.get(language), dice))
                            break
                        refused[why] += 1
                    advance()
        if len(made) * 2 < n:
            told = ", ".join(f"{why} {count:,}" for why, count in refused.most_common())
            raise InputError(
                f"flow: of {n:,} dialogues {n - len(made):,} did not pass the check in {TRIES} draws ({told})."
            )
        return made, refused

    def _products(self) -> dict[str, frozenset[str]]:
        """Runs of words of all titles, without those that agents' own sentences have."""
        found: dict[str, frozenset[str]] = {}
        for language in self.languages_:
            of_titles = set[str]()
            for title in self.sold_["title"]:
                of_titles |= triples(spoken_title(title, language), language)
            of_agents = set[str]()
            for (of, _), sentences in self._writer().replies.items():
                if of == language:
                    for sentence in sentences:
                        of_agents |= triples(sentence, language)
            found[language] = frozenset(of_titles - of_agents)
        return found


def _personal(turn: Turn, seen: dict[str, bool]) -> bool:
    """Whether a turn holds personal data beside what the world made up."""
    if turn.shape not in seen:
        seen[turn.shape] = bool(personal_data(PARTS.sub("", turn.shape)))
    return seen[turn.shape]
