"""A decoder of few weights over bytes, drawn at random, in a folder of Hugging Face's layout."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

MARKS = ["<|end|>", "<|user|>", "<|system|>", "<|bot|>"]
TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|bot|>' }}{% endif %}"
)


def write_decoder(folder: Path, *, size: int = 32, layers: int = 2, seed: int = 0) -> Path:
    """Write a Llama whose words are bytes and the marks of a chat."""
    from safetensors.numpy import save_file
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: code for code, piece in enumerate([*MARKS, *letters])}
    rng = np.random.default_rng(seed)
    shapes = {
        "model.embed_tokens.weight": (len(vocabulary), size),
        "lm_head.weight": (len(vocabulary), size),
    }
    weights = {}
    for layer in range(layers):
        above = f"model.layers.{layer}"
        shapes |= {f"{above}.self_attn.{part}_proj.weight": (size, size) for part in "qo"}
        shapes |= {f"{above}.self_attn.{part}_proj.weight": (size // 2, size) for part in "kv"}
        shapes |= {f"{above}.mlp.{part}_proj.weight": (2 * size, size) for part in ("gate", "up")}
        shapes |= {f"{above}.mlp.down_proj.weight": (size, 2 * size)}
        for norm in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{above}.{norm}.weight"] = np.ones(size, np.float32)
    weights["model.norm.weight"] = np.ones(size, np.float32)
    for name, shape in shapes.items():
        weights[name] = (rng.normal(size=shape) * shape[-1] ** -0.5 * 1.5).astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": len(vocabulary),
    }
    config |= {
        "hidden_size": size,
        "intermediate_size": 2 * size,
        "num_hidden_layers": layers,
        "eos_token_id": 0,
    }
    config |= {
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 512,
        "pad_token_id": 0,
    }
    config |= {"bos_token_id": None, "tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer(vocabulary)))
    own = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": MARKS[0],
        "pad_token": MARKS[0],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(own | {"chat_template": TEMPLATE}))
    return folder


def _tokenizer(vocabulary: dict[str, int]) -> dict[str, object]:
    mark = {
        "special": True,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
    }
    by_bytes = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": False,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": code, "content": piece} | mark
            for piece, code in list(vocabulary.items())[: len(MARKS)]
        ],
        "normalizer": None,
        "pre_tokenizer": by_bytes,
        "post_processor": None,
        "decoder": by_bytes,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }


@cache
def tiny_decoder() -> str:
    """The folder of a decoder for tests; it goes when the tests are over."""
    kept = tempfile.mkdtemp(prefix="decoder-")
    atexit.register(shutil.rmtree, kept, ignore_errors=True)
    return str(write_decoder(Path(kept) / "model"))
