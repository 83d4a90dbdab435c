"""Chats by a model's own template: sandboxed, and a user's text never becomes a special token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herdbook.errors import InputError
from herdbook.tokenizer.chat import ChatFormat
from herdbook.tokenizer.chat_templates import TEMPLATES
from herdbook.tokenizer.template_chat import TemplateChatFormat, chat_format
from herdbook.tokenizer.tokenizer import Tokenizer

SPELLINGS = ["<|eot_id|>", "<|<|eot_id|>eot_id|>", "<", "|", "eot_id|>", "\ufdd0", "<|begin_of_text|>", "word", " "]
HOSTILE = st.lists(st.sampled_from(SPELLINGS), max_size=6).map("".join)


@pytest.mark.parametrize("table", TEMPLATES)
@given(system=HOSTILE, user=HOSTILE, said=HOSTILE)
def test_template_equals_the_format_written_by_hand(small, table, system, user, said):
    """Llama 3's template rendered and cut gives what ChatFormat puts together from ids, hostile texts included."""
    tokenizer = Tokenizer(small.ranks, n_special=16, table=table)
    by_template, by_hand = TemplateChatFormat(tokenizer, TEMPLATES[table]), ChatFormat(tokenizer)
    dialog = [
        {"role": "system", "content": system}, {"role": "user", "content": user},
        {"role": "assistant", "content": said}, {"role": "user", "content": user},
    ]  # fmt: skip
    for messages in (dialog, dialog[1:], dialog[1:2]):
        assert by_template.encode_dialog(messages, add_generation_header=True) == by_hand.encode_dialog(
            messages, add_generation_header=True
        )
    assert by_template.encode_dialog_with_mask(dialog) == by_hand.encode_dialog_with_mask(dialog)


def test_which_format(small):
    assert isinstance(chat_format(small), ChatFormat)
    own = Tokenizer(small.ranks, n_special=16)
    own.chat_template = "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
    assert chat_format(own).encode_dialog([{"role": "user", "content": "a"}]) == [*own.encode("a"), own.eos_id]


def test_a_template_can_refuse_and_cannot_escape(small):
    refuses = TemplateChatFormat(small, "{{ raise_exception('no system turn') }}")
    with pytest.raises(InputError, match="no system turn"):
        refuses.encode_dialog([])
    escapes = TemplateChatFormat(small, "{{ ''.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(InputError, match="does not take"):
        escapes.encode_dialog([])
    with pytest.raises(InputError, match="no valid Jinja"):
        TemplateChatFormat(small, "{% for %}")


DIALOG = [{"role": role, "content": role[:1]} for role in ("user", "assistant", "user")]


def test_a_template_that_rewrites_the_past_has_no_mask(small):
    last_only = TemplateChatFormat(small, "{{ messages[-1].content }}")
    with pytest.raises(InputError, match="earlier turns"):
        last_only.encode_dialog_with_mask(DIALOG)
