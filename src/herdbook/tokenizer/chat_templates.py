"""Llama 3's and 3.1's chat formats as Jinja, as `tokenizer_config.json` carries them: transformers then renders what
`ChatFormat` encodes.

Source of the format: Meta's `tokenizer.py` (class ChatFormat) and the page "Llama 3.1: Model Cards & Prompt formats",
whose system turn begins with two dates. Tool calls are not written.
"""

from __future__ import annotations

LLAMA3_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{{ message['content'] | trim }}"
    "{{ '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)

KNOWLEDGE_DATE = "December 2023"
"""The cutting knowledge date that Llama 3.1's published prompts name."""
TODAY = "26 Jul 2024"
"""The date of today where nobody gives another, as in Llama 3.1's published template."""

LLAMA31_TEMPLATE = (
    "{{ bos_token }}"
    f"{{% set today = date_string if date_string is defined else '{TODAY}' %}}"
    "{% if messages and messages[0]['role'] == 'system' %}"
    "{% set system = messages[0]['content'] | trim %}{% set rest = messages[1:] %}"
    "{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
    "{{ '<|start_header_id|>system<|end_header_id|>\\n\\n' }}"
    f"{{{{ 'Cutting Knowledge Date: {KNOWLEDGE_DATE}\\n' }}}}"
    "{{ 'Today Date: ' + today + '\\n\\n' + system + '<|eot_id|>' }}"
    "{% for message in rest %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{{ message['content'] | trim }}"
    "{{ '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)

TEMPLATES = {"llama3": LLAMA3_TEMPLATE, "llama3.1": LLAMA31_TEMPLATE}
"""By the name of the table of special tokens."""


def system_preamble(table: str, today: str = TODAY) -> str | None:
    """The text before the system's own words, None where the format has none."""
    if table != "llama3.1":
        return None
    return f"Cutting Knowledge Date: {KNOWLEDGE_DATE}\nToday Date: {today}\n\n"
