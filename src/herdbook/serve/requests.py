"""The body of a chat completion request, checked field by field against what OpenAI's API documents."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from herdbook.errors import InputError
from herdbook.inference.conversation import Message, check_messages
from herdbook.inference.sampling import SamplingParams

DEFAULT_MAX_TOKENS = 512
MAX_N = 64
MAX_STOPS = 4

IGNORED = {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "parallel_tool_calls"}
"""Fields that change nothing about the answer."""
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
    "logit_bias": (None, {}),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "response_format": (None, {"type": "text"}),
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
    "functions": (None, []),
    "function_call": (None, "none", "auto"),
    "modalities": (None, ["text"]),
}
"""Fields of features that are not here: accepted with the value that asks for nothing."""


@dataclass(frozen=True)
class ChatRequest:
    """What was asked for."""

    messages: list[Message]
    params: SamplingParams
    stops: list[str]
    stream: bool
    include_usage: bool
    model: str | None


def parse(body: Any) -> ChatRequest:
    """A checked request. Raises InputError whose key is the field at fault."""
    if not isinstance(body, Mapping):
        raise InputError("the body must be a JSON object", key=None)
    fields = dict(body)
    for name in IGNORED:
        fields.pop(name, None)
    for name, neutral in NEUTRAL.items():
        if (value := fields.pop(name, None)) not in neutral:
            raise InputError(f"{name} is not supported by this server", key=name, value=value)
    if "messages" not in fields:
        raise InputError("messages is missing", key="messages")
    messages = check_messages(_plain(fields.pop("messages")))
    max_tokens = _integer(fields, "max_completion_tokens", None, 1)
    old_name = _integer(fields, "max_tokens", None, 1)
    options = fields.pop("stream_options", None) or {}
    if not isinstance(options, Mapping):
        raise InputError("stream_options must be an object", key="stream_options", value=options)
    request = ChatRequest(
        messages=messages,
        params=SamplingParams(
            temperature=_number(fields, "temperature", 0.0, 0, 2),
            top_p=_number(fields, "top_p", 1.0, 0, 1),
            top_k=_integer(fields, "top_k", 0, 0) or 0,
            max_new_tokens=max_tokens or old_name or DEFAULT_MAX_TOKENS,
            n=_integer(fields, "n", 1, 1, MAX_N) or 1,
            seed=_seed(fields),
        ),
        stops=_stops(fields),
        stream=_flag(fields, "stream"),
        include_usage=bool(options.get("include_usage")),
        model=_model(fields),
    )
    if fields:
        name = sorted(fields)[0]
        raise InputError(f"there is no field {name}", key=name, value=fields[name])
    return request


def _plain(messages: Any) -> Any:
    """Messages with text parts joined, and the newer name `developer` for the system's role."""
    if not isinstance(messages, list):
        return messages
    return [_plain_message(index, message) for index, message in enumerate(messages)]


def _plain_message(index: int, message: Any) -> Any:
    if not isinstance(message, Mapping):
        return message
    content, role = message.get("content"), message.get("role")
    if isinstance(content, list):
        texts = []
        for part_index, part in enumerate(content):
            where = f"messages[{index}].content[{part_index}]"
            if not isinstance(part, Mapping) or part.get("type") != "text" or not isinstance(part.get("text"), str):
                raise InputError(f"{where} must be a part of type text", key=where)
            texts.append(part["text"])
        content = "\n".join(texts)
    return {"role": "system" if role == "developer" else role, "content": content}


def _number(fields: dict[str, Any], key: str, default: float, low: float, high: float) -> float:
    value = fields.pop(key, None)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise InputError(f"{key} must be a number from {low} to {high}, got {value!r}", key=key, value=value)
    return float(value)


def _integer(fields: dict[str, Any], key: str, default: int | None, low: int, high: int | None = None) -> int | None:
    value = fields.pop(key, None)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        span = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise InputError(f"{key} must be an integer {span}, got {value!r}", key=key, value=value)
    return value


def _flag(fields: dict[str, Any], key: str) -> bool:
    value = fields.pop(key, None)
    if value is not None and not isinstance(value, bool):
        raise InputError(f"{key} must be true or false, got {value!r}", key=key, value=value)
    return bool(value)


def _seed(fields: dict[str, Any]) -> int:
    """The seed asked for, or one of its own for each request."""
    value = fields.pop("seed", None)
    if value is None:
        return secrets.randbits(63)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"seed must be an integer, got {value!r}", key="seed", value=value)
    return value


def _stops(fields: dict[str, Any]) -> list[str]:
    value = fields.pop("stop", None)
    stops = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or len(stops) > MAX_STOPS or not all(isinstance(s, str) and s for s in stops):
        raise InputError(f"stop must be a text or a list of at most {MAX_STOPS} texts", key="stop", value=value)
    return stops


def _model(fields: dict[str, Any]) -> str | None:
    value = fields.pop("model", None)
    if value is not None and not isinstance(value, str):
        raise InputError(f"model must be text, got {value!r}", key="model", value=value)
    return value
