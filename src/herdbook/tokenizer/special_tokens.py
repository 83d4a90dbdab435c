"""The 256 special tokens of Llama 3 and of Llama 3.1, in Meta's order, directly after the base vocabulary.

Source: `tokenizer.py` of the llama3 repository; Hugging Face's `tokenizer.json` of Llama 3.1 for the second table
(Meta's own 3.1 code names row 5 `<|step_id|>`; every published weight file goes by Hugging Face's names).
"""

from __future__ import annotations

N_SPECIAL = 256
"""Rows that Llama 3 keeps for special tokens."""

MIN_SPECIAL = 10
"""The chat format needs rows up to `<|eot_id|>` (row 9)."""

_NAMED: dict[str, dict[int, str]] = {
    "llama3": {
        0: "<|begin_of_text|>",
        1: "<|end_of_text|>",
        6: "<|start_header_id|>",
        7: "<|end_header_id|>",
        9: "<|eot_id|>",
    },
    "llama3.1": {
        0: "<|begin_of_text|>",
        1: "<|end_of_text|>",
        4: "<|finetune_right_pad_id|>",
        6: "<|start_header_id|>",
        7: "<|end_header_id|>",
        8: "<|eom_id|>",
        9: "<|eot_id|>",
        10: "<|python_tag|>",
    },
}

PAD_ROW = 4
"""Row used for padding: `<|finetune_right_pad_id|>` in Llama 3.1, a reserved row in Llama 3 (which has none)."""


def special_tokens(table: str = "llama3", n_special: int = N_SPECIAL) -> list[str]:
    """The names of the first `n_special` special tokens of `table` ("llama3" or "llama3.1"), in order of their ids."""
    if table not in _NAMED:
        raise KeyError(table)
    named = _NAMED[table]
    names, reserved = [], 0
    for row in range(n_special):
        if row in named:
            names.append(named[row])
        else:
            names.append(f"<|reserved_special_token_{reserved}|>")
            reserved += 1
    return names


def tables() -> list[str]:
    """The names of the known tables."""
    return list(_NAMED)
