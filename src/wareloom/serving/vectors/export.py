"""Publishing an encoder: its network by ONNX, held to what torch says, with its weights where processes share them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np

from wareloom.core.files import beside
from wareloom.core.state import read_json, write_json
from wareloom.errors import SettingError, SourceError, needed
from wareloom.language.encoder import words_of
from wareloom.language.onnx_encoder import export, quantise
from wareloom.serving.vectors.encode import HEAD, MODEL, WORDS, Encoder

SAME = 1e-4
"""What a number of a unit vector may differ by between torch and ONNX Runtime"""
TRIED = ("a", "red shoes", "history: green tea; black tea, 20 bags", "0 " * 400)
"""Texts by which that is seen, beside some of the shop's own"""


def write_encoder(network: Any, tokenizer: Any, longest: int, folder: Path) -> Encoder:
    """Write a network that reads texts to unit vectors, and what cuts texts into pieces; returns it opened.

    Raises `MissingExtraError` without the extra "onnx", `SourceError` where ONNX Runtime says something else than
    torch, `SettingError` for a tokenizer without a form that is read without Python.
    """
    needed("onnx", "onnx", "Publishing an encoder")
    needed("onnxruntime", "onnx", "Publishing an encoder")
    pieces = getattr(tokenizer, "backend_tokenizer", None)
    if pieces is None:
        raise SettingError(
            "The encoder's tokenizer is one of Python alone: bring a tokenizer.json, as fast tokenizers have."
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WORDS).write_text(pieces.to_str(), encoding="utf-8")
    plain = merged(network)
    encoder = plain.encoder
    encoder = encoder.get_base_model() if hasattr(encoder, "get_base_model") else encoder
    with beside(folder / MODEL) as partial:
        export(_reading(plain), encoder, partial, {"vectors": ("texts",)})
    size = int(encoder.config.hidden_size)
    write_json(folder / HEAD, {"size": size, "longest": longest, "bits": "f32"})
    opened = Encoder(folder)
    _check_same(opened, network, tokenizer, longest)
    return opened


def write_small(source: Path, to: Path) -> Encoder:
    """Write what `write_encoder` wrote with weights of 8 bits; returns it opened."""
    to.mkdir(parents=True, exist_ok=True)
    told = read_json(source / HEAD)
    content = (source / WORDS).read_bytes()
    with beside(to / MODEL) as partial:
        quantise(source / MODEL, partial)
    (to / WORDS).write_bytes(content)
    write_json(to / HEAD, {**told, "bits": "int8"})
    return Encoder(to)


def merged(network: Any) -> Any:
    """A copy of a network of texts whose tuned weights are part of its maps, where they can be."""
    plain = copy.deepcopy(network)
    if (
        hasattr(plain.encoder, "merge_and_unload")
        and not plain.encoder.active_peft_config.is_prompt_learning
    ):
        plain.encoder = plain.encoder.merge_and_unload()
    return plain.eval()


def _reading(network: Any) -> Any:
    """A network of texts as ONNX's exporter calls it: with tensors one by one instead of by name."""
    import torch

    class Reading(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, words: Any, mask: Any) -> Any:
            return self.network({"input_ids": words, "attention_mask": mask})

    return Reading()


def _check_same(opened: Encoder, network: Any, tokenizer: Any, longest: int) -> None:
    """Raise `SourceError` where what was exported does not read as the network does."""
    import torch

    for text in TRIED:
        with torch.inference_mode():
            wanted = network(words_of([text], tokenizer, longest))[0].numpy()
        apart = float(np.abs(opened.read(text) - wanted).max())
        if not apart <= SAME:
            raise SourceError(
                f"The exported encoder reads {text[:40]!r} otherwise than torch does: a number of the vector differs "
                f"by {apart:.2g}, {SAME:g} is allowed. Tune it by full or lora, or publish another ranker."
            )
