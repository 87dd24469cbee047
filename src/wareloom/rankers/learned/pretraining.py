"""An encoder that goes on learning words from a shop's own texts, without a label, before anything is tuned on it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge

from wareloom.core.files import replacing
from wareloom.core.run import Run
from wareloom.core.settings import Fraction, Positive, Settings, ShareBelowOne, Size
from wareloom.core.state import write_json
from wareloom.errors import InputError, SettingError, SourceError, missing_extra
from wareloom.language.encoder import encoder_folder, fingerprint, load_tokenizer
from wareloom.language.quiet import still
from wareloom.neural.checkpoint import kept_at
from wareloom.neural.masking import Gaps, WordNetwork, learn_words
from wareloom.neural.training import seeded
from wareloom.shop import Shop
from wareloom.shop.texts import DEFAULT, item_texts

WHO = "pretraining"
FEWEST = 20
"""Held-out texts below which none are held out"""


@dataclass(frozen=True, kw_only=True)
class PretrainSettings(Settings):
    """How an encoder goes on learning from a shop's texts."""

    model: str = ""
    """A folder with the encoder to begin with: config.json, tokenizer and weights; empty for all-MiniLM-L6-v2."""
    fields: str = DEFAULT
    """Fields of the items that are read, as rankers of text take them."""
    share: Fraction = 0.15
    """Share of the words that are left out and guessed."""
    passes: Size = 1
    """Passes over the texts."""
    batch_size: Size = 32
    """Texts a batch."""
    learning_rate: Positive = 5e-5
    """Highest step size."""
    longest: Annotated[int, Ge(3)] = 64
    """Pieces of words that a text is cut to."""
    validation: ShareBelowOne = 0.02
    """Share of the texts that is held out to stop early; none where it comes to fewer than 20."""

    def _owner(self) -> str:
        return WHO


def pretrain(shop: Shop, settings: PretrainSettings, to: Path, run: Run) -> dict[str, Any]:
    """Let an encoder guess words left out of the items' texts, and write it to the folder `to`.

    The folder is one that `minilm` (folder), `bi_encoder` and `cross_encoder` (model) and the text model `masked`
    (folder) take; what was learned shows once the encoder is tuned, as its vectors lie less well than before as they
    are. A head for words is learned from nothing where the encoder brings none. With `run.cache` a stopped run goes on.
    Returns what was learned from, and the perplexity of words left out of held-out texts before and after.
    Raises `InputError` where the items have no text, `SettingError` for an encoder without a mark for a gap.
    """
    source = encoder_folder(settings.model, WHO)
    tokenizer = load_tokenizer(source, WHO)
    if tokenizer.mask_token_id is None:
        raise SettingError(
            f"{WHO}: the model in {source} has no mark for a gap: it is no masked language model."
        )
    texts = sorted({text.strip() for text in item_texts(shop, settings.fields)} - {""})
    coded = (
        tokenizer(texts, truncation=True, max_length=settings.longest)["input_ids"] if texts else []
    )
    special = frozenset(tokenizer.all_special_ids)
    coded = [row for row in coded if not set(row) <= special]
    if not coded:
        raise InputError(f"{WHO}: no item of the shop has a text in {settings.fields!r}.")
    order = run.rng(WHO, "held").permutation(len(coded))
    count = int(len(coded) * settings.validation)
    held = [coded[i] for i in order[: count if count >= FEWEST else 0]]
    learned = [coded[i] for i in order[len(held) :]]
    how = Gaps(
        mask=tokenizer.mask_token_id,
        words=len(tokenizer),
        special=special,
        share=settings.share,
        batch_size=settings.batch_size,
        passes=settings.passes,
        learning_rate=settings.learning_rate,
    )
    with seeded(run, WHO):
        net = WordNetwork(_with_head(source))
        history, before = learn_words(
            net, learned, held, how, run, _checkpoint(settings, source, learned, run)
        )
    best = max((row["value"] for row in history if "value" in row), default=None)
    told = {
        "settings": asdict(settings),
        "encoder": fingerprint(source),
        "texts": len(learned),
        "held_out": len(held),
        "updates": int(history[-1]["step"]) if history else 0,
        "perplexity_before": None if before is None else math.exp(-before),
        "perplexity": None if best is None else math.exp(-best),
        "seed": run.seed,
    }
    with replacing(to, marker="config.json") as partial, still():
        net.model.cpu().save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        write_json(partial / "pretraining.json", told)
    return told


def _with_head(folder: Path) -> Any:
    """Load the encoder with a head that guesses words; one that is not there begins at random."""
    try:
        from transformers import AutoModelForMaskedLM
    except ModuleNotFoundError as error:
        raise missing_extra(str(error.name), "text", f"The {WHO}") from error
    try:
        with still():
            return AutoModelForMaskedLM.from_pretrained(folder, local_files_only=True).float()
    except (OSError, ValueError) as error:
        raise SourceError(
            f"The {WHO}: {folder} holds no encoder that can guess words: {error}"
        ) from error


def _checkpoint(
    settings: PretrainSettings, source: Path, texts: list[list[int]], run: Run
) -> Path | None:
    return kept_at(run, ["pretrain", asdict(settings), fingerprint(source), texts])
