"""Drawing texts from a decoder: left-padded batches over one shared beginning, one stream of chance a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from wareloom.language.models._calls import Finish, Generated, Sampling

SHARED = 8
"""Tokens of a common beginning from which it pays to read it once for all rows"""
NEAREST = (512, 8192)
"""Likeliest tokens among which the nucleus is looked for first; all are sorted where it is larger"""
BLOCK = 256
"""Words whose probabilities are added up together: a running sum over all words took a tenth of the time of a step"""


@dataclass
class Row:
    """One text being written."""

    prompt: list[int]
    """Tokens of the prompt."""
    seed: int
    """Of the row's own stream of chance."""
    matcher: Any = None
    """What the schema allows next; None allows all."""
    tokens: list[int] = field(default_factory=list)
    """Tokens written."""
    log_probability: float = 0.0
    """Of the tokens written."""
    finish: Finish = "length"
    """How it ended."""
    text: str = ""
    """What was written."""

    def answer(self) -> Generated:
        """Return it as a value."""
        return Generated(
            self.text, len(self.prompt), len(self.tokens), self.log_probability, self.finish
        )


def write(
    model: Any, tokenizer: Any, rows: Sequence[Row], settings: Sampling, ends: set[int]
) -> None:
    """Write the text of each row, in place, until it ends, stops or is full. Rows that are done leave the batch.

    `ends` are the tokens that end a text. A row's draws are a stream of its own, so that its text hangs on its batch
    only through the rounding of the arithmetic.
    """
    with torch.inference_mode():
        chance = [np.random.default_rng(row.seed).random(settings.max_tokens) for row in rows]
        live = list(range(len(rows)))
        logits, cache, mask = _begun(model, [row.prompt for row in rows])
        for step in range(settings.max_tokens):
            allowed = _allowed([rows[i].matcher for i in live], logits)
            draws = torch.from_numpy(np.array([chance[i][step] for i in live])).to(logits.device)
            tokens, logs = draw(logits[:, -1].float(), draws, settings, allowed)
            for i, token, log in zip(live, tokens.tolist(), logs.tolist(), strict=True):
                rows[i].tokens.append(token)
                rows[i].log_probability += log
            stays = [
                place
                for place, i in enumerate(live)
                if not _ended(rows[i], tokenizer, settings, ends)
            ]
            if not stays or step + 1 == settings.max_tokens:
                break
            if len(stays) < len(live):
                live, keep = (
                    [live[place] for place in stays],
                    torch.tensor(stays, device=mask.device),
                )
                cache.batch_select_indices(keep)
                tokens, mask = tokens[keep], mask[keep]
            mask = torch.cat([mask, mask.new_ones(len(live), 1)], 1)
            places = mask.sum(1, keepdim=True) - 1
            out = model(
                input_ids=tokens[:, None],
                attention_mask=mask,
                position_ids=places,
                past_key_values=cache,
                use_cache=True,
            )
            logits = out.logits
    for row in rows:
        _close(row, tokenizer, settings, ends)


def _begun(model: Any, prompts: Sequence[list[int]]) -> tuple[Any, Any, Any]:
    """Read prompts as `read` does, one that stands several times in a batch once."""
    found: dict[tuple[int, ...], int] = {}
    which = [found.setdefault(tuple(prompt), len(found)) for prompt in prompts]
    logits, cache, mask = read(model, [list(prompt) for prompt in found], 1)
    if len(found) < len(which):
        chosen = torch.tensor(which, device=mask.device)
        cache.batch_select_indices(chosen)
        logits, mask = logits[chosen], mask[chosen]
    return logits, cache, mask


def read(model: Any, prompts: Sequence[list[int]], keep: int) -> tuple[Any, Any, Any]:
    """Read prompts of token numbers, padded on the left: logits [rows, keep, words], cache, mask [rows, places].

    What all prompts begin with is read once: few-shot prompts are mostly that.
    """
    from transformers import DynamicCache

    device = next(model.parameters()).device
    cache = DynamicCache(config=model.config)
    shared = common([prompt[: len(prompt) - keep] for prompt in prompts])
    simple = all(type(layer).__name__ == "DynamicLayer" for layer in cache.layers)
    if len(prompts) < 2 or shared < SHARED or not simple:
        shared = 0
    if shared:
        start = torch.tensor([prompts[0][:shared]], device=device)
        model(input_ids=start, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(len(prompts))
    rest = [prompt[shared:] for prompt in prompts]
    longest = max(map(len, rest))
    words = torch.zeros(len(rest), longest, dtype=torch.long)
    mask = torch.zeros(len(rest), shared + longest, dtype=torch.long)
    mask[:, :shared] = 1
    for place, prompt in enumerate(rest):
        words[place, longest - len(prompt) :] = torch.tensor(prompt)
        mask[place, shared + longest - len(prompt) :] = 1
    words, mask = words.to(device), mask.to(device)
    places = (mask.cumsum(1) - 1).clamp(min=0)[:, shared:]
    out = model(
        input_ids=words,
        attention_mask=mask,
        position_ids=places,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=keep,
    )
    return out.logits, cache, mask


def judge(model: Any, pairs: Sequence[tuple[list[int], list[int]]]) -> list[float]:
    """Return the log-probability of the second token numbers given the first, for each pair."""
    keep = max(len(after) for _, after in pairs) + 1
    with torch.inference_mode():
        logits, _, _ = read(model, [before + after for before, after in pairs], keep)
        scores = []
        for row, (_, after) in zip(logits, pairs, strict=True):
            own = row[-len(after) - 1 : -1].float().log_softmax(-1)
            chosen = torch.tensor(after, device=own.device)[:, None]
            scores.append(float(own.gather(1, chosen).double().sum()))
    return scores


def common(lists: Sequence[list[int]]) -> int:
    """Return how many first elements all lists share."""
    first, last = min(lists), max(lists)
    for place, (one, other) in enumerate(zip(first, last, strict=False)):
        if one != other:
            return place
    return min(len(first), len(last))


def draw(logits: Any, chance: Any, settings: Sampling, allowed: Any = None) -> tuple[Any, Any]:
    """Draw one token a row: its number, and its log-probability before temperature, cuts and schema; both [rows].

    `logits` are float32 [rows, words], `chance` float64 in [0, 1) [rows], `allowed` bool like the logits. The
    cumulative distribution stands in the order of the words, so that two words of near probability cannot change places
    by rounding.
    """
    own, whole = logits, logits.logsumexp(-1)
    if allowed is not None:
        logits = logits.masked_fill(~allowed, float("-inf"))
    if settings.temperature == 0:
        tokens = logits.argmax(-1)
    else:
        tokens = _at(_cut(logits / settings.temperature, settings), chance)
    return tokens, own.gather(1, tokens[:, None]).squeeze(1) - whole


def _at(likely: Any, chance: Any) -> Any:
    """Return the word at which the cumulative sum of a row passes its chance: first the block, then the word in it."""
    rows, words = likely.shape
    blocks = torch.nn.functional.pad(likely, (0, -words % BLOCK)).double().view(rows, -1, BLOCK)
    total = blocks.sum(-1).cumsum(-1)
    block, rest = _passed(total, chance * total[:, -1])
    inside = blocks.gather(1, block[:, None, None].expand(rows, 1, BLOCK)).squeeze(1).cumsum(-1)
    return block * BLOCK + _passed(inside, rest)[0]


def _passed(total: Any, sought: Any) -> tuple[Any, Any]:
    """Return the first place where a running sum passes what is sought, and what is sought beyond the sum before it."""
    end = total[:, -1]
    # Rounding can bring what is sought to the end, where no place is left.
    below = torch.minimum(sought, torch.nextafter(end, torch.zeros_like(end)))[:, None]
    place = torch.searchsorted(total, below, right=True)
    before = torch.where(place > 0, total.gather(1, (place - 1).clamp(min=0)), 0.0)
    return place.squeeze(1), (below - before).squeeze(1)


def _cut(logits: Any, settings: Sampling) -> Any:
    """Turn logits into probabilities, those outside of the likeliest `top_k` and of the nucleus zero."""
    words = logits.shape[-1]
    if 0 < settings.top_k < words:
        least = logits.topk(settings.top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    likely = logits.softmax(-1)
    if settings.top_p < 1:
        for nearest in (*NEAREST, words):
            best = likely.topk(min(words, nearest)).values
            if nearest >= words or bool((best.sum(-1) >= settings.top_p).all()):
                break
        before = best.cumsum(-1) - best
        last = (before < settings.top_p).sum(-1, keepdim=True) - 1
        likely = likely.masked_fill(likely < best.gather(1, last), 0.0)
    return likely


def _allowed(matchers: Sequence[Any], logits: Any) -> Any:
    """Return what the schemas allow, bool [rows, words]; None where nothing is bound."""
    if all(matcher is None for matcher in matchers):
        return None
    words = logits.shape[-1]
    found = np.zeros((len(matchers), words), dtype=bool)
    for place, matcher in enumerate(matchers):
        bits = np.unpackbits(
            np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8), bitorder="little"
        )
        found[place, : len(bits)] = bits[:words]
    # A row on which nothing is allowed is refused below, and must not stop the others.
    found[~found.any(1)] = True
    return torch.from_numpy(found).to(logits.device)


def _ended(row: Row, tokenizer: Any, settings: Sampling, ends: set[int]) -> bool:
    """Say whether the last token ended the row, and note how."""
    token = row.tokens[-1]
    if row.matcher is not None and not row.matcher.consume_token(token):
        row.finish = "invalid"
        return True
    if token in ends or (row.matcher is not None and row.matcher.is_stopped()):
        row.finish = "stop"
        return True
    if settings.stop:
        # A token has one byte at least: a mark that ends here began at most so many tokens ago.
        tail = tokenizer.decode(
            row.tokens[-max(len(mark.encode()) for mark in settings.stop) - 4 :]
        )
        if any(mark in tail for mark in settings.stop):
            row.finish = "stop"
            return True
    return False


def _close(row: Row, tokenizer: Any, settings: Sampling, ends: set[int]) -> None:
    """Turn the tokens into text, cut before the mark at which it stopped."""
    tokens = row.tokens[:-1] if row.tokens and row.tokens[-1] in ends else row.tokens
    text = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    found = [place for mark in settings.stop if (place := text.find(mark)) >= 0]
    row.text = text[: min(found)] if found else text
