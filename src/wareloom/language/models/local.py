"""Text models computed here, by torch: loading, prompts into tokens, batches. `embedded` and `huggingface` share it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from wareloom.core.run import Run
from wareloom.core.settings import Count
from wareloom.errors import (
    InputError,
    MissingExtraError,
    SettingError,
    SourceError,
    missing_extra,
)
from wareloom.language.models import Done, TextModel
from wareloom.language.models._budget import Need
from wareloom.language.models._calls import Ask, Generated, Sampling, check_schema, fits
from wareloom.language.quiet import still

PARTS = (".json", ".txt", ".model", ".jinja", ".safetensors", ".bin", ".gguf")
"""Endings of the files that decide what a model writes"""
HERE = "@@the prompt@@"
"""Stands in a chat template for the prompt, whose own tokens are put there"""


@dataclass(kw_only=True, eq=False)
class LocalModel(TextModel, ABC):
    """A decoder in Hugging Face's layout, computed here. One implements `_folder` and `_source`."""

    batch_size: Count = 0
    """Texts written at once; 0 takes 32 on a processor, 128 on a GPU."""
    dtype: Literal["auto", "fp32", "bf16", "4bit"] = "auto"
    """Arithmetic; auto is the run's precision, or bf16 on a GPU and fp32 on a CPU. 4bit needs bitsandbytes and CUDA."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._loaded: dict[tuple[str, ...], _Loaded] = {}

    @abstractmethod
    def _folder(self, run: Run) -> str:
        """Return the folder, or the cached id, that Transformers loads."""

    @abstractmethod
    def _source(self, run: Run) -> list[Path]:
        """Return the files that decide what the model writes."""

    def identity(self, run: Run) -> dict[str, Any]:
        """The weights by their hash, the arithmetic, and what is put around a prompt."""
        known = {
            "name": self.name,
            "weights": fingerprint(self._source(run)),
            "dtype": self._dtype(run),
        }
        return known | {
            "device": run.device.partition(":")[0],
            "chat": self.chat,
            "system": self.system,
        }

    def _generate(self, asks: Sequence[Ask], settings: Sampling, run: Run, done: Done) -> None:
        held = self._held(run)
        from wareloom.language.models._decode import Row, write

        grammar = held.grammar(settings.schema) if settings.schema is not None else None
        validator = check_schema(settings.schema)
        todo = self._encoded(held, asks, settings.max_tokens)
        with _threads(run):
            while todo:
                needs = [
                    self._need(len(ids), settings.max_tokens)
                    for _, ids in todo[: self._at_once(run)]
                ]
                count = self._budget.room(needs)
                part, todo = todo[:count], todo[count:]
                rows = [Row(ids, ask.seed, held.matcher(grammar)) for ask, ids in part]
                write(held.model, held.tokenizer, rows, settings, held.ends)
                for row, (ask, _) in zip(rows, part, strict=True):
                    if validator is not None and not fits(row.text, validator):
                        row.finish = "invalid"
                    self._pay(len(row.prompt), len(row.tokens))
                    done(ask, row.answer())

    def _score(self, asks: Sequence[Ask], run: Run, done: Done) -> None:
        held = self._held(run)
        from wareloom.language.models._decode import judge

        after = {ask.key: held.words(ask.continuation) for ask in asks}
        todo = self._encoded(held, asks, max(map(len, after.values())))
        with _threads(run):
            while todo:
                needs = [
                    self._need(len(ids) + len(after[ask.key]), 0)
                    for ask, ids in todo[: self._at_once(run)]
                ]
                count = self._budget.room(needs)
                part, todo = todo[:count], todo[count:]
                scores = judge(held.model, [(ids, after[ask.key]) for ask, ids in part])
                for score, (ask, ids) in zip(scores, part, strict=True):
                    self._pay(len(ids) + len(after[ask.key]), 0)
                    done(ask, Generated("", len(ids), len(after[ask.key]), score, "stop"))

    def _pay(self, read: int, written: int) -> None:
        used: Need = self._need(read, written)
        self._budget.settle((0.0, 0.0), used)

    def _encoded(
        self, held: _Loaded, asks: Sequence[Ask], room: int
    ) -> list[tuple[Ask, list[int]]]:
        """Turn prompts into tokens and bring those of like beginning and length together."""
        found = [(ask, held.prompt(ask.prompt, self.chat, self.system, self.name)) for ask in asks]
        for ask, ids in found:
            if len(ids) + room > held.longest:
                raise InputError(
                    f"The text model {self.name!r} holds {held.longest:,} tokens: the prompt {ask.prompt[:40]!r}... "
                    f"has {len(ids):,}, and {room:,} are to follow. Shorten it."
                )
            if not ids:
                raise InputError(
                    f"The text model {self.name!r} was given an empty prompt, and has no mark to begin with."
                )
        return sorted(found, key=lambda pair: (pair[1][:64], len(pair[1]), pair[0].key))

    def _count(self, prompt: str, run: Run) -> int:
        loaded = next(iter(self._loaded.values()), None)
        if loaded is None:
            return super()._count(prompt, run)
        return len(loaded.prompt(prompt, self.chat, self.system, self.name))

    def _at_once(self, run: Run) -> int:
        """Texts of a batch."""
        return self.batch_size or (32 if run.device == "cpu" else 128)

    def _dtype(self, run: Run) -> str:
        return run.arithmetic if self.dtype == "auto" else self.dtype

    def _held(self, run: Run) -> _Loaded:
        """Load the model once for each device and arithmetic."""
        key = (run.device, self._dtype(run))
        if key not in self._loaded:
            self._loaded[key] = load(self._folder(run), run.device, self._dtype(run), self.name)
        return self._loaded[key]


class _Loaded:
    """A decoder and its tokenizer, ready to write."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer
        known = [tokenizer.eos_token_id, getattr(model.generation_config, "eos_token_id", None)]
        every = [code for part in known for code in (part if isinstance(part, list) else [part])]
        self.ends = {int(code) for code in every if code is not None}
        text = model.config.get_text_config()
        self.longest = int(getattr(text, "max_position_embeddings", 0) or 1 << 20)

    def words(self, text: str) -> list[int]:
        """Return the tokens of a text; a mark of the model in it is plain text, so that no prompt ends its own turn."""
        return list(
            self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
        )

    def prompt(self, text: str, chat: bool, system: str, who: str) -> list[int]:
        """Return the tokens of a prompt within the chat template, or as it stands."""
        if not chat:
            start = self.tokenizer("", add_special_tokens=True).input_ids
            return [
                *(start[:1] if start and start[0] == self.tokenizer.bos_token_id else []),
                *self.words(text),
            ]
        if not self.tokenizer.chat_template:
            raise SettingError(
                f"The text model {who!r}: its tokenizer has no chat template: set chat to False."
            )
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": HERE})
        shown = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        before, _, after = str(shown).partition(HERE)
        marks = [
            self.tokenizer(part, add_special_tokens=False).input_ids for part in (before, after)
        ]
        return [*marks[0], *self.words(text), *marks[1]]

    def grammar(self, schema: Any) -> tuple[Any, str]:
        """Return what draws constrained texts: llguidance's tokenizer, and the grammar of the schema."""
        try:
            from llguidance import LLMatcher
            from llguidance.hf import from_tokenizer
        except ModuleNotFoundError as error:
            raise missing_extra(str(error.name), "text", "JSON of a schema") from error
        # Small models write blanks without end where a grammar lets them.
        tight = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
        made = LLMatcher.grammar_from_json_schema(json.dumps(schema), defaults=tight)
        tokenizer = from_tokenizer(self.tokenizer, eos_token=sorted(self.ends))
        said = LLMatcher.validate_grammar(made, tokenizer)
        if said and not said.startswith("WARNING"):
            raise SettingError(f"sampling: schema cannot be drawn from: {said.strip()}")
        return tokenizer, made

    def matcher(self, grammar: tuple[Any, str] | None) -> Any:
        """Return a fresh matcher of the grammar, None for none."""
        if grammar is None:
            return None
        from llguidance import LLMatcher

        return LLMatcher(*grammar, log_level=0)


def load(where: str, device: str, dtype: str, who: str) -> _Loaded:
    """Load a decoder and its tokenizer from files alone: nothing is fetched.

    Raises `MissingExtraError` without the packages, `SettingError` where the device cannot do what is asked,
    `SourceError` where there is no decoder.
    """
    # Threads that wait by spinning starve whatever else runs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ModuleNotFoundError as error:
        raise missing_extra(str(error.name), "text", f"The text model {who!r}") from error
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SettingError(
            f"The device {device!r} was asked for, but torch finds no GPU: use device 'cpu'."
        )
    how: dict[str, Any] = {"dtype": torch.bfloat16 if dtype in ("bf16", "4bit") else torch.float32}
    if dtype == "4bit":
        how |= _in_four_bits(torch, device, who)
    with still():
        try:
            tokenizer = AutoTokenizer.from_pretrained(where, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(where, local_files_only=True, **how)
        except (OSError, ValueError) as error:
            raise SourceError(
                f"The text model {who!r}: {where} holds no decoder that can be loaded: {error}"
            ) from error
    return _Loaded(model.eval() if dtype == "4bit" else model.eval().to(device), tokenizer)


def _in_four_bits(torch: Any, device: str, who: str) -> dict[str, Any]:
    if not device.startswith("cuda"):
        raise SettingError(
            f"The text model {who!r}: dtype '4bit' needs a GPU, and the run's device is {device!r}."
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtraError(
            f"The text model {who!r}: dtype '4bit' needs bitsandbytes: pip install bitsandbytes"
        )
    from transformers import BitsAndBytesConfig

    kind = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_use_double_quant=True,
    )
    return {"quantization_config": kind, "device_map": {"": device}}


@contextlib.contextmanager
def _threads(run: Run) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(run.cores)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fingerprint(files: Sequence[Path]) -> str:
    """Hash the files of a model; one that did not change since it was hashed in this process is not read again."""
    seen = [_hash(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.blake2b("".join(seen).encode(), digest_size=16).hexdigest()


@cache
def _hash(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return Path(path).name + hashlib.file_digest(file, "blake2b").hexdigest()


def parts_of(folder: Path) -> list[Path]:
    """Return the files of a folder that decide what its model writes."""
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in PARTS)
