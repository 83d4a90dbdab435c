"""Names of tensors in other formats, from Meta's."""

from __future__ import annotations

from collections.abc import Mapping


def translate(name: str, top: Mapping[str, str], layer: Mapping[str, str], layers: str) -> str:
    """A name of Meta's as another format has it.

    top, layer: stems outside and inside of the layers, ours to theirs, without `.weight`. layers: what stands before
    the number of a layer.
    """
    stem = name.removesuffix(".weight")
    if stem in top:
        return f"{top[stem]}.weight"
    _, index, rest = stem.split(".", 2)
    return f"{layers}.{index}.{layer[rest]}.weight"
