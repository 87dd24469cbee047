"""A BERT of few weights, drawn at random, in a folder of Hugging Face's layout: written in a moment, without torch."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789红色连衣裙手机壳"
MARKS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
"""What the tokenizer calls its special pieces"""
PLACES = 64
"""Pieces that are read at most"""


def write_encoder(
    folder: Path, words: list[str], *, size: int = 32, layers: int = 2, seed: int = 0
) -> Path:
    """Write an encoder whose words are `words`, and letters for all others."""
    from safetensors.numpy import save_file

    pieces = dict.fromkeys(
        [*MARKS.values(), *words, *LETTERS, *(f"##{letter}" for letter in LETTERS), *":;,.-"]
    )
    vocabulary = {piece: code for code, piece in enumerate(pieces)}
    config = {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "vocab_size": len(vocabulary),
        "hidden_size": size,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 2 * size,
        "pad_token_id": 0,
        "max_position_embeddings": PLACES,
    }
    folder.mkdir(parents=True, exist_ok=True)
    weights = _weights(len(vocabulary), size, layers, np.random.default_rng(seed))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    for name, held in (
        ("config", config),
        ("tokenizer", _tokenizer(vocabulary)),
        ("tokenizer_config", {"tokenizer_class": "PreTrainedTokenizerFast"} | MARKS),
    ):
        (folder / f"{name}.json").write_text(json.dumps(held))
    return folder


def _weights(words: int, size: int, layers: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Weights of a BERT by name, drawn at random."""
    wide = 2 * size
    shapes = {
        "embeddings.word_embeddings.weight": (words, size),
        "embeddings.position_embeddings.weight": (PLACES, size),
        "embeddings.token_type_embeddings.weight": (2, size),
        "pooler.dense.weight": (size, size),
        "pooler.dense.bias": (size,),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(layers):
        above = f"encoder.layer.{layer}"
        maps = {f"attention.self.{part}": (size, size) for part in ("query", "key", "value")}
        maps |= {"attention.output.dense": (size, size), "intermediate.dense": (wide, size)}
        for name, shape in (maps | {"output.dense": (size, wide)}).items():
            shapes |= {f"{above}.{name}.weight": shape, f"{above}.{name}.bias": shape[:1]}
        norms += [f"{above}.attention.output.LayerNorm", f"{above}.output.LayerNorm"]
    # Words tell most, so that texts of one word in common lie near one another, as a trained encoder puts them.
    spread = {
        "embeddings.word_embeddings.weight": 1.0,
        "embeddings.position_embeddings.weight": 0.05,
    }
    weights = {
        name: (rng.normal(size=shape) * spread.get(name, 0.3 * size**-0.5)).astype(np.float32)
        for name, shape in shapes.items()
    }
    for name in norms:
        weights[f"{name}.weight"] = np.ones(size, np.float32)
        weights[f"{name}.bias"] = np.zeros(size, np.float32)
    return weights


def _tokenizer(vocabulary: dict[str, int]) -> dict[str, object]:
    """BERT's own way of dividing words, in lower case."""
    marks = [
        {
            "id": code,
            "content": piece,
            "special": True,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
        }
        | {"normalized": False}
        for piece, code in list(vocabulary.items())[:5]
    ]
    ends = [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
    ]
    whole = {
        "A": {"Sequence": {"id": "A", "type_id": 0}},
        "B": {"Sequence": {"id": "B", "type_id": 1}},
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": marks,
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True}
        | {"strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [ends[0], whole["A"], ends[1]],
            "pair": [ends[0], whole["A"], ends[1], whole["B"], ends[1]],
            "special_tokens": {
                name: {"id": name, "ids": [vocabulary[name]], "tokens": [name]}
                for name in ("[CLS]", "[SEP]")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##"}
        | {"max_input_chars_per_word": 100, "vocab": vocabulary},
    }


@cache
def tiny_encoder() -> str:
    """The folder of an encoder that knows the words of the small shops; it goes when the process ends."""
    kept = tempfile.mkdtemp(prefix="encoder-")
    atexit.register(shutil.rmtree, kept, ignore_errors=True)
    things = [f"thing{i}" for i in range(12)]
    words = [*map(str, range(40)), *things, "item", "history", "red", "blue", "green", "black"]
    return str(write_encoder(Path(kept) / "model", words, layers=1))
