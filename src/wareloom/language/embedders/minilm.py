"""MiniLM: a small trained sentence encoder, or any other in a folder of Hugging Face's layout."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from wareloom.core.files import beside
from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.language.embedders import Embedder, normalised
from wareloom.language.encoder import (
    States,
    encode,
    encoder_folder,
    fingerprint,
    load_encoder,
    load_tokenizer,
)
from wareloom.language.onnx_encoder import AT_ONCE, states_by_onnx

WHO = "embedder 'minilm'"


@dataclass(kw_only=True, eq=False)
class MiniLM(Embedder):
    """Encode texts with all-MiniLM-L6-v2 (384 dimensions, English), by the mean of its last layer's vectors.

    Texts are encoded in order of length, so that a batch pads little. Where the run has a cache, the vectors of a list
    of texts are kept there under a hash of the texts, the settings and the encoder's files. An empty text gets zeros.

    Wang et al. (2020), Reimers and Gurevych (2019). Raises `MissingExtraError` without the packages of the extra
    "text", `SourceError` where `folder` holds no encoder.
    """

    learns: ClassVar[bool] = False

    folder: str = ""
    """A folder with another encoder: config.json, tokenizer and weights; empty for all-MiniLM-L6-v2."""
    pooling: Literal["mean", "cls"] = "mean"
    """How words become one vector: mean, or cls for encoders trained on their first word."""
    longest: Size = 128
    """Pieces of a word that a text is cut to."""
    batch_size: Size = 64
    """Texts encoded at once; ONNX Runtime takes 16 at most, as more are slower."""
    runtime: Literal["torch", "onnx", "int8"] = "torch"
    """What computes: torch in the run's arithmetic; onnx, with the same vectors, twice as fast on some
    processors and a little slower on others; int8, weights of 8 bits, faster, with vectors that differ a little (cosine
    .99). The latter two need the extra `onnx`."""

    def _embed(self, texts: list[str], run: Run) -> np.ndarray:
        folder = self._where()
        kept = None
        if run.cache is not None:
            kept = Path(run.cache) / "embeddings" / f"{self._key(texts, folder, run)}.npy"
            if kept.exists():
                found: np.ndarray = np.load(kept, allow_pickle=False)
                return found
        vectors = self._encode(texts, folder, run)
        if kept is not None:
            with beside(kept) as partial, partial.open("wb") as file:
                np.save(file, vectors, allow_pickle=False)
        return vectors

    def _where(self) -> Path:
        """Find the encoder's folder."""
        return encoder_folder(self.folder, WHO)

    def _key(self, texts: list[str], folder: Path, run: Run) -> str:
        """Hash what decides the vectors: the texts, the settings, how it is computed and the files of the encoder."""
        digest = hashlib.blake2b(digest_size=16)
        how = self.runtime if self.runtime != "torch" else run.arithmetic
        known = [self.pooling, self.longest, texts, fingerprint(folder), how]
        digest.update(json.dumps(known).encode())
        return digest.hexdigest()

    def _encode(self, texts: list[str], folder: Path, run: Run) -> np.ndarray:
        how: dict[str, Any] = {
            "longest": self.longest,
            "batch_size": self.batch_size,
            "pooling": self.pooling,
        }
        if self.runtime != "torch":
            states = states_by_onnx(folder, 8 if self.runtime == "int8" else 32, run, WHO)
            how["batch_size"] = min(self.batch_size, AT_ONCE)
            return normalised(encode(texts, load_tokenizer(folder, WHO), states, run, **how))
        torch, tokenizer, model = load_encoder(folder, run, WHO)
        threads = torch.get_num_threads()
        torch.set_num_threads(run.cores)
        out = encode(texts, tokenizer, States.by_torch(model, run), run, **how)
        torch.set_num_threads(threads)
        return normalised(out)
