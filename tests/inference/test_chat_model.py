"""Loading a model and talking to it from Python."""

import dataclasses

import pytest

import herdbook
from herdbook.errors import ArtifactError, InputError
from herdbook.inference.chat_model import ChatModel, load
from herdbook.inference.conversation import check_messages, fit
from herdbook.lineage import Card, seal_artifact
from herdbook.tokenizer import ChatFormat
from herdbook.weights.native import save_model


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


@pytest.fixture
def folder(tmp_path, chat_transformer, tokenizer):
    save_model(tmp_path / "model", chat_transformer, tokenizer)
    return tmp_path / "model"


def test_load_and_chat(folder, chat_model):
    loaded = herdbook.load(folder)
    assert loaded.name == "model"
    answer = loaded.chat("Hello", max_new_tokens=20)
    assert answer == chat_model.chat("Hello", max_new_tokens=20)
    assert answer == loaded.chat([user("Hello")], max_new_tokens=20)
    assert answer
    assert "".join(loaded.chat("Hello", stream=True, max_new_tokens=20)) == answer


def test_sampling_follows_the_seed(chat_model):
    answers = [chat_model.chat("Hello", temperature=1.0, seed=seed, max_new_tokens=20) for seed in (0, 0, 1)]
    assert answers[0] == answers[1] != answers[2]
    several = chat_model.complete("Hello", temperature=1.0, n=3, max_new_tokens=20)
    assert several[0].text == answers[0]
    assert len({answer.text for answer in several}) == 3


def test_the_prompt_is_llama3s_chat_format(chat_model, tokenizer):
    prompt = chat_model.prompt([{"role": "system", "content": "Be brief."}, user(" Hi ")], chat_model.params())
    assert tokenizer.decode(prompt.ids) == (
        "<|begin_of_text|>"
        "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_a_long_conversation_loses_its_oldest_turns(chat_model, tokenizer):
    chat_format = ChatFormat(tokenizer)
    messages = [{"role": "system", "content": "S"}]
    for k in range(4):
        messages += [user(f"question {k}"), assistant(f"answer {k}")]
    messages.append(user("last"))
    whole = chat_format.encode_dialog(messages, add_generation_header=True)
    assert fit(chat_format, messages, len(whole)).n_dropped == 0
    shorter = fit(chat_format, messages, len(whole) - 1)
    assert shorter.n_dropped == 2
    assert shorter.ids == chat_format.encode_dialog([messages[0], *messages[3:]], add_generation_header=True)
    least = chat_format.encode_dialog([messages[0], messages[-1]], add_generation_header=True)
    assert fit(chat_format, messages, len(least)).ids == least
    with pytest.raises(InputError, match="leaves room for"):
        fit(chat_format, messages, len(least) - 1)


def test_a_model_tuned_on_single_questions_sees_one(folder, chat_model):
    (folder / "generation.json").write_text('{"max_questions": 1}')
    loaded = load(folder)
    talk = [{"role": "system", "content": "S"}, user("one"), assistant("two"), user("three")]
    prompt = loaded.prompt(talk, loaded.params())
    assert prompt.ids == chat_model.prompt([talk[0], talk[3]], chat_model.params()).ids
    assert prompt.n_dropped == 2
    (folder / "generation.json").write_text('{"max_questions": 0}')
    with pytest.raises(ArtifactError, match="max_questions"):
        load(folder)


def test_a_conversation_that_the_assistant_opens_is_kept_whole(chat_model, tokenizer):
    talk = [assistant("Hello!"), user("Hi")]
    ids = chat_model.prompt(talk, chat_model.params()).ids
    assert ids == ChatFormat(tokenizer).encode_dialog(talk, add_generation_header=True)


def test_there_is_room_for_the_answer(chat_model):
    """Whatever was said, at least a quarter of the context (or max_new_tokens) is left."""
    talk = [user("word " * 5), assistant("word " * 5)] * 6 + [user("more")]
    context = chat_model.engine.max_seq_len
    for max_new_tokens, free in ((1000, context // 4), (5, 5)):
        params = chat_model.params(max_new_tokens=max_new_tokens, stop_ids=())
        assert len(chat_model.prompt(talk, params).ids) <= context - free
    (answer,) = chat_model.complete(talk, max_new_tokens=1000, stop_ids=())
    assert len(answer.ids) >= context // 4


@pytest.mark.parametrize(
    "messages, key",
    [
        ([], "messages"),
        (5, "messages"),
        (["hello"], "messages[0]"),
        ([{"role": "robot", "content": "x"}], "messages[0].role"),
        ([user("x"), {"role": "user"}], "messages[1].content"),
        ([user("x"), {"role": "system", "content": "x"}], "messages[1].role"),
        ([user("x"), assistant("y")], "messages[1].role"),
    ],
)
def test_bad_messages_are_named(messages, key):
    with pytest.raises(InputError) as caught:
        check_messages(messages)
    assert caught.value.key == key
    assert key in caught.value.message


def test_an_unknown_setting_is_named(chat_model):
    with pytest.raises(InputError, match="temprature"):
        chat_model.chat("Hello", temprature=1.0)


def test_what_is_no_model_is_refused(tmp_path, folder):
    with pytest.raises(InputError):
        load(tmp_path / "nowhere")
    with pytest.raises(InputError):
        load(tmp_path)
    (folder / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0broken")
    with pytest.raises(ArtifactError, match="damaged"):
        load(folder)


def test_an_artifact_goes_by_its_stages_name(folder):
    card = Card(kind="model", name="dpo", identity="0" * 64)
    seal_artifact(folder, card)
    assert load(folder).name == "dpo"
    seal_artifact(folder, dataclasses.replace(card, kind="reward_model"))
    with pytest.raises(ArtifactError, match="cannot speak"):
        load(folder)


def test_a_tokenizer_of_another_model_is_refused(tmp_path, chat_transformer, tokenizer):
    bigger = type(tokenizer)(tokenizer.ranks, n_special=40)
    save_model(tmp_path / "mixed", chat_transformer, bigger)
    with pytest.raises(ArtifactError, match="tokenizer has 296 tokens"):
        load(tmp_path / "mixed")


def test_chat_model_is_exported():
    assert herdbook.load is load
    assert herdbook.inference.ChatModel is ChatModel


@pytest.mark.parametrize("device", ["cuda:77", "teapot", "meta", ""])
def test_a_device_that_is_not_there_is_refused(device):
    from herdbook.inference.chat_model import check_device

    check_device("cpu")
    with pytest.raises(InputError, match="cannot use device"):
        check_device(device)
