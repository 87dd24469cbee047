"""A masked language model: words that fit a gap, for substitution."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.errors import InputError, SettingError, SourceError, missing_extra, require
from wareloom.language.models import Done, TextModel, checked
from wareloom.language.models._calls import Ask, Sampling
from wareloom.language.models.local import fingerprint, parts_of
from wareloom.language.quiet import still

GAP = "[MASK]"


@dataclass(kw_only=True, eq=False)
class Masked(TextModel):
    """Fill the gaps of texts with a model of BERT's kind; it writes no text of its own.

    Devlin et al. (2019). None ships: the encoder of the embedder minilm has no head for words. Raises `SourceError`
    where `folder` holds none.
    """

    folder: str = ""
    """A folder with a masked language model: config.json, tokenizer and weights."""
    batch_size: Size = 32
    """Texts read at once."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._loaded: dict[str, tuple[Any, Any]] = {}

    def identity(self, run: Run) -> dict[str, Any]:
        """The weights by their hash."""
        return {"name": self.name, "weights": fingerprint(parts_of(self._where()))}

    def fill(
        self, texts: Sequence[str], k: int = 5, run: Run | None = None
    ) -> list[list[tuple[str, float]]]:
        """Return the k likeliest words for the one gap `[MASK]` of each text, with their probabilities, best first.

        Pieces of words and marks of the model are left out, so that there may be fewer than k. Raises `InputError` for
        a text without exactly one gap.
        """
        run = run or Run()
        require("masked", "k", k, k >= 1, "1 or more")
        for place, text in enumerate(checked(texts)):
            if text.count(GAP) != 1:
                raise InputError(
                    f"Text {place} has {text.count(GAP)} gaps: write {GAP} once, in {text[:60]!r}."
                )
        tokenizer, model = self._held(run)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        found: list[list[tuple[str, float]]] = [[] for _ in texts]
        with run.limits(), run.task("masked fills", len(texts)) as advance:
            for start in range(0, len(order), self.batch_size):
                part = order[start : start + self.batch_size]
                for place, words in zip(
                    part, _best(tokenizer, model, [texts[i] for i in part], k), strict=True
                ):
                    found[place] = words
                advance(len(part))
        return found

    def _generate(self, asks: Sequence[Ask], settings: Sampling, run: Run, done: Done) -> None:
        raise InputError(
            "The text model 'masked' fills gaps and writes no texts: call fill, or choose another model."
        )

    def _where(self) -> Path:
        if not self.folder:
            raise SettingError(
                "masked: folder is empty; give a folder with a masked language model."
            )
        folder = Path(self.folder)
        if not (folder / "config.json").is_file():
            raise SourceError(
                f"The text model 'masked': the folder {self.folder!r} has no config.json."
            )
        return folder

    def _held(self, run: Run) -> tuple[Any, Any]:
        """Load tokenizer and model once for each device."""
        if run.device in self._loaded:
            return self._loaded[run.device]
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        folder = self._where()
        try:
            import torch
            from transformers import AutoModelForMaskedLM, AutoTokenizer
        except ModuleNotFoundError as error:
            raise missing_extra(str(error.name), "text", "The text model 'masked'") from error
        if run.device.startswith("cuda") and not torch.cuda.is_available():
            raise SettingError(
                f"The device {run.device!r} was asked for, but torch finds no GPU: use device 'cpu'."
            )
        with still():
            try:
                tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
                model, said = AutoModelForMaskedLM.from_pretrained(
                    folder, local_files_only=True, output_loading_info=True, dtype=torch.float32
                )
            except (OSError, ValueError) as error:
                raise SourceError(
                    f"The text model 'masked': {folder} cannot be loaded: {error}"
                ) from error
        # Transformers draws a head at random where the folder has none: its words would mean nothing.
        if said["missing_keys"]:
            raise SourceError(
                f"The text model 'masked': {folder} is an encoder without a head for words: "
                f"{sorted(said['missing_keys'])[0]} is missing."
            )
        self._loaded[run.device] = (tokenizer, model.eval().to(run.device))
        return self._loaded[run.device]


def _best(tokenizer: Any, model: Any, texts: list[str], k: int) -> list[list[tuple[str, float]]]:
    """Return the likeliest whole words for the gap of each text."""
    import torch

    gapped = [text.replace(GAP, tokenizer.mask_token) for text in texts]
    longest = min(tokenizer.model_max_length, model.config.max_position_embeddings)
    read = tokenizer(
        gapped, padding=True, truncation=True, max_length=longest, return_tensors="pt"
    ).to(model.device)
    gaps = read["input_ids"] == tokenizer.mask_token_id
    if not bool(gaps.any(1).all()):
        place = int((~gaps.any(1)).nonzero()[0])
        raise InputError(
            f"The gap of {texts[place][:60]!r}... lies beyond what the model reads: shorten the text."
        )
    with torch.inference_mode():
        likely = model(**read).logits[gaps].float().softmax(-1)
    barred = torch.tensor(
        [not _whole(word, code, tokenizer) for word, code in _words(tokenizer, likely.shape[-1])]
    )
    likely = likely.cpu().masked_fill(barred, 0.0)
    best = likely.topk(min(k, likely.shape[-1]))
    return [
        [
            (tokenizer.decode([code]).strip(), value)
            for code, value in zip(codes, values, strict=True)
            if value > 0
        ]
        for codes, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def _words(tokenizer: Any, count: int) -> list[tuple[str, int]]:
    return [
        (str(word or ""), code)
        for code, word in enumerate(tokenizer.convert_ids_to_tokens(list(range(count))))
    ]


def _whole(word: str, code: int, tokenizer: Any) -> bool:
    """Say whether an entry of the vocabulary is a word by itself."""
    return (
        code not in tokenizer.all_special_ids
        and not word.startswith("##")
        and any(map(str.isalnum, word))
    )
