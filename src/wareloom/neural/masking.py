"""Words left out of texts and guessed: how an encoder goes on learning a shop's own words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wareloom.core.run import Run
from wareloom.neural import torch
from wareloom.neural.decoders import by_length
from wareloom.neural.training import Training, train

EVALUATIONS = 10
REPLACED, SWAPPED = 0.8, 0.1
"""Of the words to guess so many are the mark of a gap, and so many another word; the rest stays (Devlin et al. 2019)"""
HEADS = ("cls", "lm_head")
"""What turns states into scores of words in the models that keep it apart: it then reads the gaps alone"""


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """What is left out, and how the model learns from it."""

    mask: int
    """Code of the mark of a gap"""
    words: int
    """Codes there are"""
    special: frozenset[int]
    """Codes that are never left out"""
    share: float = 0.15
    """Share of a text's words that are to be guessed"""
    batch_size: int = 32
    """Texts a batch"""
    passes: int = 1
    """Passes over the texts"""
    learning_rate: float = 5e-5
    """Highest step size"""
    patience: int = 3
    """Evaluations, of ten, without a better value after which training stops"""


class WordNetwork(torch.nn.Module):  # type: ignore[misc]
    """A masked language model of Hugging Face, and its loss on gaps."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def loss(self, batch: dict[str, Any]) -> Any:
        """Cross-entropy of the words that were left out, mean over gaps."""
        head = next(
            (getattr(self.model, name) for name in HEADS if hasattr(self.model, name)), None
        )
        read = {"input_ids": batch["words"], "attention_mask": batch["mask"]}
        row, place = batch["row"], batch["place"]
        if head is None:
            logits = self.model(**read).logits[row, place]
        else:
            logits = head(self.model.base_model(**read).last_hidden_state[row, place])
        return torch.nn.functional.cross_entropy(logits.float(), batch["answer"])


def with_gaps(
    texts: Sequence[Sequence[int]], how: Gaps, rng: np.random.Generator
) -> dict[str, Any]:
    """Leave words out of coded texts: what `WordNetwork.loss` takes.

    `words`, `mask` int64 [texts, longest]; `row`, `place`, `answer` int64 [gaps]. Each text with a word has a gap.
    """
    longest = max(len(text) for text in texts)
    words, mask = np.zeros((2, len(texts), longest), dtype=np.int64)
    for number, text in enumerate(texts):
        words[number, : len(text)], mask[number, : len(text)] = text, 1
    chance = rng.random(words.shape)
    chance[(mask == 0) | np.isin(words, list(how.special))] = np.inf
    sought = chance < how.share
    # The word with the lowest chance of all is sought in any case, lest a short text teach nothing.
    least = chance.argmin(axis=1)
    sought[np.arange(len(words)), least] |= np.isfinite(chance.min(axis=1))
    row, place = np.nonzero(sought)
    answer, fate = words[row, place], rng.random(len(row))
    other = rng.integers(how.words, size=len(row))
    words[row, place] = np.where(
        fate < REPLACED, how.mask, np.where(fate < REPLACED + SWAPPED, other, answer)
    )
    laid = {"words": words, "mask": mask, "row": row, "place": place, "answer": answer}
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in laid.items()}


def learn_words(
    net: WordNetwork,
    texts: Sequence[Sequence[int]],
    held: Sequence[Sequence[int]],
    how: Gaps,
    run: Run,
    checkpoint: Path | None = None,
) -> tuple[list[dict[str, float]], float | None]:
    """Teach `net` to guess the words left out of coded texts, other ones in each pass.

    Stops early by, and keeps the weights that are best on, the same gaps in those of `held`. Returns loss and held-out
    value (mean log-probability of a word left out) at each evaluation, and that value before; a stopped run goes on
    from `checkpoint`. Devlin et al. (2019); Gururangan et al. (2020) for going on with a shop's own texts.
    """
    order = np.argsort([len(text) for text in held], kind="stable")
    rng = run.rng("gaps", "held")
    starts = range(0, len(order), how.batch_size)
    tests = [
        with_gaps([held[i] for i in order[start : start + how.batch_size]], how, rng)
        for start in starts
    ]
    sizes = np.array([len(text) for text in texts])

    def batches(epoch: int) -> Iterator[dict[str, Any]]:
        rng = run.rng("gaps", epoch)
        for rows in by_length(sizes, how.batch_size, rng):
            yield with_gaps([texts[i] for i in rows], how, rng)

    def check() -> float:
        device = next(net.parameters()).device
        moved = [{name: value.to(device) for name, value in batch.items()} for batch in tests]
        with torch.no_grad():
            losses = [float(net.loss(batch)) for batch in moved]
        return -float(np.average(losses, weights=[len(batch["answer"]) for batch in moved]))

    updates = how.passes * -(-len(texts) // how.batch_size)
    plan = Training(
        learning_rate=how.learning_rate,
        epochs=EVALUATIONS,
        updates=updates,
        weight_decay=0.01,
        warmup=min(500, 1 + updates // 10),
        patience=how.patience if tests else 0,
    )
    net.eval().to(run.device)
    before = check() if tests else None
    history = train(
        net, batches, net.loss, plan, run, check if tests else None, checkpoint=checkpoint
    )
    return history, before
