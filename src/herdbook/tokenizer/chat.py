"""Llama 3's chat format: dialogs as ids, with a mask that says what the model itself has to say.

    <|begin_of_text|>
    <|start_header_id|>ROLE<|end_header_id|>\\n\\nCONTENT<|eot_id|>      for each message, content stripped
    <|start_header_id|>assistant<|end_header_id|>\\n\\n                  to let the model answer

In Llama 3.1's format the first turn is always the system's and begins with two dates (`chat_templates.py`).
Source: `tokenizer.py` (class ChatFormat) of the llama3 repository. Roles and contents are encoded as plain text: a
user who types `<|eot_id|>` gets those characters, never the token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from herdbook.errors import InputError
from herdbook.tokenizer.chat_templates import TODAY, system_preamble
from herdbook.tokenizer.tokenizer import Tokenizer

ROLES = ("system", "user", "assistant")

Message = Mapping[str, str]


class ChatFormat:
    """Encodes messages `{"role": ..., "content": ...}` for one tokenizer; its table of special tokens names the format.

    today: the date that Llama 3.1's system turn names; Llama 3's names none.
    """

    def __init__(self, tokenizer: Tokenizer, *, today: str = TODAY) -> None:
        if tokenizer.family != "llama3":
            raise InputError(
                "This vocabulary does not have the tokens of Llama 3's chat format.",
                key="tokenizer",
                value=tokenizer.family,
                remedy="Its own chat template is what `chat_format` takes.",
            )
        self.tokenizer = tokenizer
        self._preamble = system_preamble(tokenizer.table, today)
        self._start = tokenizer.special["<|start_header_id|>"]
        self._end = tokenizer.special["<|end_header_id|>"]

    def encode_header(self, role: str) -> list[int]:
        """Ids of `<|start_header_id|>ROLE<|end_header_id|>` and two newlines."""
        if role not in ROLES:
            raise InputError(
                f"There is no role {role!r}.", key="role", value=role, remedy=f"Take one of {', '.join(ROLES)}."
            )
        return [self._start, *self.tokenizer.encode(role), self._end, *self.tokenizer.encode("\n\n")]

    def encode_message(self, role: str, content: str) -> list[int]:
        """Ids of one whole message, header to `<|eot_id|>`."""
        return [*self.encode_header(role), *self.tokenizer.encode(content.strip()), self.tokenizer.eot_id]

    def encode_dialog(self, messages: Iterable[Message], *, add_generation_header: bool = False) -> list[int]:
        """Ids of a dialog from `<|begin_of_text|>`; `add_generation_header` appends the assistant's header."""
        ids, _ = self.encode_dialog_with_mask(messages)
        return ids + self.encode_header("assistant") if add_generation_header else ids

    def encode_dialog_with_mask(self, messages: Iterable[Message]) -> tuple[list[int], list[int]]:
        """(ids, mask), of equal length: mask is 1 on the content of assistant messages and the `<|eot_id|>` after it,
        the tokens that a model has to produce, and 0 elsewhere."""
        ids, mask = [self.tokenizer.bos_id], [0]
        for role, content in self._turns(messages):
            header = self.encode_header(role)
            body = [*self.tokenizer.encode(content), self.tokenizer.eot_id]
            ids += header + body
            mask += [0] * len(header) + [int(role == "assistant")] * len(body)
        return ids, mask

    def _turns(self, messages: Iterable[Message]) -> list[tuple[str, str]]:
        """(role, text) of each turn, the preamble of the system's where the format has one."""
        turns = [(role, content.strip()) for role, content in map(_parts, messages)]
        if self._preamble is None:
            return turns
        system, rest = (turns[0][1], turns[1:]) if turns and turns[0][0] == "system" else ("", turns)
        return [("system", self._preamble + system), *rest]


def _parts(message: Message) -> tuple[str, str]:
    """(role, content) of a message."""
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str) or not isinstance(content, str):
        raise InputError(
            "A message needs a text `role` and a text `content`.",
            key="messages",
            value=str(dict(message))[:200],
            remedy='For instance {"role": "user", "content": "What does shutil.copytree do?"}.',
        )
    return role, content
