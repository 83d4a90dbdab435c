"""Chats in the format of a model's own Jinja template, where it is not Llama 3's.

The template runs in Jinja's sandbox. A user's text that spells a special token stays text: before rendering, a mark is
put inside every such spelling, and taken out again when the rendered text has been cut at the real ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from herdbook.errors import InputError
from herdbook.tokenizer.chat import ChatFormat, Message, _parts
from herdbook.tokenizer.tokenizer import Tokenizer

_MARK = "\ufdd0"
"""A code point that Unicode keeps free of characters; repeated until the dialog does not contain it."""


def chat_format(tokenizer: Tokenizer) -> ChatFormat | TemplateChatFormat:
    """The format in which a model of this tokenizer is spoken to: Llama 3's, or its own template."""
    if tokenizer.chat_template is not None:
        return TemplateChatFormat(tokenizer, tokenizer.chat_template)
    return ChatFormat(tokenizer)


class TemplateChatFormat:
    """Encodes messages by a template, with the names and results of `ChatFormat`."""

    def __init__(self, tokenizer: Tokenizer, template: str, variables: Mapping[str, Any] | None = None) -> None:
        """variables: further names that the template may use, such as a date."""
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        self.tokenizer = tokenizer
        self._variables = dict(variables or {})
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refuse
        try:
            self._template = environment.from_string(template)
        except TemplateError as error:
            raise InputError(f"The chat template is no valid Jinja ({error}).", key="chat_template") from None
        names = sorted(tokenizer.special, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, names))) if names else re.compile(r"(?!)")

    def render(self, messages: Iterable[Message], *, add_generation_header: bool = False) -> str:
        """The dialog as text, special tokens by name."""
        from jinja2 import TemplateError

        name = {row: text for text, row in self.tokenizer.special.items()}
        try:
            return self._template.render(
                messages=[{"role": role, "content": content} for role, content in map(_parts, messages)],
                add_generation_prompt=add_generation_header,
                bos_token=name.get(self.tokenizer.bos_id, ""),
                eos_token=name.get(self.tokenizer.eos_id, ""),
                **self._variables,
            )
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            raise InputError(f"The chat template does not take this dialog: {error}.", key="messages") from None

    def encode_dialog(self, messages: Iterable[Message], *, add_generation_header: bool = False) -> list[int]:
        """Ids of a dialog; `add_generation_header` appends what comes before the assistant's words."""
        parts = [_parts(message) for message in messages]
        mark = _MARK
        while any(mark in text for part in parts for text in part):
            mark += _MARK
        guarded = [{"role": self._guard(role, mark), "content": self._guard(text, mark)} for role, text in parts]
        text = self.render(guarded, add_generation_header=add_generation_header)
        ids: list[int] = []
        end = 0
        for match in self._special.finditer(text):
            ids += self.tokenizer.encode(text[end : match.start()].replace(mark, ""))
            ids.append(self.tokenizer.special[match.group()])
            end = match.end()
        return ids + self.tokenizer.encode(text[end:].replace(mark, ""))

    def _guard(self, text: str, mark: str) -> str:
        """The text with a mark behind the first character of each special token's name, overlapping ones included."""
        starts = [start for start in range(len(text)) if self._special.match(text, start)]
        pieces, end = [], 0
        for start in starts:
            pieces += [text[end : start + 1], mark]
            end = start + 1
        return "".join([*pieces, text[end:]])

    def encode_dialog_with_mask(self, messages: Iterable[Message]) -> tuple[list[int], list[int]]:
        """(ids, mask): mask is 1 on what the model has to produce, the token that ends the turn included."""
        dialog = list(messages)
        ids = self.encode_dialog(dialog)
        mask = [0] * len(ids)
        for place, message in enumerate(dialog):
            if message.get("role") != "assistant":
                continue
            before = self.encode_dialog(dialog[:place], add_generation_header=True)
            after = self.encode_dialog(dialog[: place + 1])
            if ids[: len(before)] != before or ids[: len(after)] != after:
                raise InputError("The chat template changes earlier turns: no mask can be made.", key="chat_template")
            ends = [i for i in range(len(before), len(after)) if ids[i] in self.tokenizer.stop_ids]
            last = ends[-1] + 1 if ends else len(after)
            mask[len(before) : last] = [1] * (last - len(before))
        return ids, mask


def _refuse(message: str) -> NoReturn:
    """`raise_exception` of chat templates."""
    raise ValueError(message)
