"""Messages, checked and fitted into the context: what the model sees of a conversation that has grown too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from herdbook.errors import InputError
from herdbook.tokenizer import ChatFormat
from herdbook.tokenizer.template_chat import TemplateChatFormat

Message = dict[str, str]
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Prompt:
    """A conversation as the model sees it."""

    ids: list[int]
    n_dropped: int
    """Messages left out at the beginning: the context is too short for all, or the model is not used to so many."""


def check_messages(messages: Any) -> list[Message]:
    """The messages as plain dicts. Raises InputError naming the place (`messages[2].role`) of whatever is wrong.

    There is at least one message, a system message stands first only, and the last one is the user's.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, (str, bytes)):
        raise InputError(f"messages must be a list of messages, got {type(messages).__name__}", key="messages")
    if not messages:
        raise InputError("messages is empty: at least one message of the user is needed", key="messages")
    checked = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(message, Mapping):
            raise InputError(f"{where} must be an object with role and content", key=where, value=message)
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            expected = ", ".join(ROLES)
            raise InputError(f"{where}.role must be one of {expected}, got {role!r}", key=f"{where}.role", value=role)
        if not isinstance(content, str):
            raise InputError(f"{where}.content must be text, got {type(content).__name__}", key=f"{where}.content")
        if role == "system" and index:
            raise InputError(f"{where}.role: a system message can only come first", key=f"{where}.role", value=role)
        checked.append({"role": role, "content": content})
    if checked[-1]["role"] != "user":
        key = f"messages[{len(checked) - 1}].role"
        raise InputError(f"{key}: the last message must be the user's", key=key, value=checked[-1]["role"])
    return checked


def fit(
    chat_format: ChatFormat | TemplateChatFormat,
    messages: list[Message],
    max_prompt_tokens: int,
    max_questions: int | None = None,
) -> Prompt:
    """The prompt for the next answer, with the oldest turns dropped until it has at most `max_prompt_tokens` tokens
    and `max_questions` messages of the user (None: any number).

    The system message and the last message are always kept, and what remains begins with a message of the user.
    Raises InputError where these alone are too long.
    """
    system = messages[:1] if messages[0]["role"] == "system" else []
    turns = messages[len(system) :]
    questions = [index for index, turn in enumerate(turns) if turn["role"] == "user"]
    starts = questions if max_questions is None else questions[-max_questions:]
    if len(starts) == len(questions) and starts[0] != 0:
        starts = [0, *starts]  # a conversation that the assistant opened
    for first in starts:
        ids = chat_format.encode_dialog(system + turns[first:], add_generation_header=True)
        if len(ids) <= max_prompt_tokens:
            return Prompt(ids, first)
    what = "the system message and the last message together have" if system else "the message has"
    raise InputError(
        f"{what} {len(ids)} tokens; this model's context leaves room for {max_prompt_tokens}",
        key="messages",
        value=len(ids),
        remedy="Shorten the message.",
    )
