"""The engine against its slow twin, and what the batch must not change."""

import random

import pytest
import torch

from herdbook.errors import InputError
from herdbook.inference.engine import Engine
from herdbook.inference.reference import generate_reference
from herdbook.inference.sampling import SamplingParams


def _prompts(n, seed=0, longest=20):
    rng = random.Random(seed)
    return [[rng.randrange(256) for _ in range(rng.randint(1, longest))] for _ in range(n)]


def _assert_same(fast, slow):
    assert len(fast) == len(slow)
    for fast_group, slow_group in zip(fast, slow, strict=True):
        assert [c.ids for c in fast_group] == [c.ids for c in slow_group]
        assert [c.text for c in fast_group] == [c.text for c in slow_group]
        assert [c.finish_reason for c in fast_group] == [c.finish_reason for c in slow_group]
        for a, b in zip(fast_group, slow_group, strict=True):
            assert a.logprobs == pytest.approx(b.logprobs, abs=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        dict(temperature=0.0),
        dict(temperature=1.0, n=3, seed=7),
        dict(temperature=0.8, top_p=0.9, n=2),
        dict(temperature=1.2, top_k=5),
    ],
)
@pytest.mark.parametrize("max_batch", [1, 4, 64])
def test_equals_the_slow_twin(model, tokenizer, settings, max_batch):
    prompts = _prompts(9)
    params = SamplingParams(max_new_tokens=12, **settings)
    fast = Engine(model, tokenizer, max_batch=max_batch).generate(prompts, params)
    _assert_same(fast, generate_reference(model, tokenizer, prompts, params))


def test_an_answer_does_not_depend_on_the_batch(model, tokenizer):
    """The same request alone, among others, with more samples, and in batches of other sizes."""
    prompts = _prompts(30, seed=3)
    params = SamplingParams(temperature=1.0, max_new_tokens=10, n=4, seed=11)
    whole = Engine(model, tokenizer, max_batch=64).generate(prompts, params)
    for max_batch in (3, 17):
        _assert_same(Engine(model, tokenizer, max_batch=max_batch).generate(prompts, params), whole)
    fewer = SamplingParams(temperature=1.0, max_new_tokens=10, n=2, seed=11)
    first_two = Engine(model, tokenizer, max_batch=5).generate(prompts[:7], fewer)
    _assert_same(first_two, [group[:2] for group in whole[:7]])


def test_samples_and_seeds_differ(model, tokenizer):
    prompt = [_prompts(1)[0]]
    engine = Engine(model, tokenizer)

    def ids(**settings):
        params = SamplingParams(temperature=1.0, max_new_tokens=8, **settings)
        return [c.ids for c in engine.generate(prompt, params)[0]]

    samples = ids(n=8)
    assert len({tuple(s) for s in samples}) == 8
    assert ids(n=8, seed=1) != samples
    assert ids(n=8) == samples


def test_each_prompt_may_have_settings_of_its_own(model, tokenizer):
    prompts = _prompts(3, seed=5)
    each = [
        SamplingParams(temperature=0.0, max_new_tokens=5),
        SamplingParams(temperature=1.0, max_new_tokens=9, n=2, seed=4),
        SamplingParams(temperature=1.0, top_p=0.5, max_new_tokens=3, seed=8),
    ]
    together = Engine(model, tokenizer).generate(prompts, each)
    for number, params in enumerate(each):
        slow = generate_reference(model, tokenizer, prompts[: number + 1], params)
        _assert_same([together[number]], [slow[number]])


def test_prompts_of_several_samples_are_prefilled_once(model, tokenizer):
    runner = Engine(model, tokenizer).runner(n_rows=3)
    prompts = _prompts(4, seed=2)
    for number, prompt in enumerate(prompts):
        runner.add(prompt, SamplingParams(temperature=1.0, n=5, max_new_tokens=6), number)
    n_finished = 0
    while not runner.scheduler.idle:
        n_finished += len(runner.step())
    assert n_finished == 20
    assert runner.n_prefilled == sum(len(prompt) for prompt in prompts)


@pytest.mark.parametrize("length", [40, 47])
def test_the_context_ends_an_answer(model, tokenizer, length):
    prompt = [list(range(length))]
    params = SamplingParams(max_new_tokens=100, stop_ids=())
    (answer,) = Engine(model, tokenizer).generate(prompt, params)[0]
    assert len(answer.ids) == model.args.max_seq_len - length
    assert answer.finish_reason == "length"
    _assert_same([[answer]], generate_reference(model, tokenizer, prompt, params))


def test_a_smaller_context_can_be_asked_for(model, tokenizer):
    engine = Engine(model, tokenizer, max_seq_len=20)
    (answer,) = engine.generate([list(range(15))], SamplingParams(max_new_tokens=100, stop_ids=()))[0]
    assert len(answer.ids) == 5


@pytest.mark.parametrize(
    "prompts, words",
    [
        ([[1], list(range(48))], "prompt 1 has 48 tokens"),
        ([[1], []], "prompt 1 is empty"),
        ([[1, 272]], "token 272"),
        ([[-1]], "token -1"),
    ],
)
def test_a_bad_prompt_is_named(model, tokenizer, prompts, words):
    with pytest.raises(InputError, match=words):
        Engine(model, tokenizer).generate(prompts, SamplingParams())


def test_a_context_beyond_the_model_is_refused(model, tokenizer):
    with pytest.raises(InputError, match="max_seq_len 49"):
        Engine(model, tokenizer, max_seq_len=49)


def test_stop_tokens(model, tokenizer):
    prompts = _prompts(6, seed=9)
    free = Engine(model, tokenizer).generate(prompts, SamplingParams(max_new_tokens=10, stop_ids=()))
    stop = free[0][0].ids[4]
    params = SamplingParams(max_new_tokens=10, stop_ids=(stop, 10_000))
    stopped = Engine(model, tokenizer).generate(prompts, params)
    for (long,), (short,) in zip(free, stopped, strict=True):
        expected = long.ids[: long.ids.index(stop) + 1] if stop in long.ids else long.ids
        assert short.ids == expected
        assert short.finish_reason == ("stop" if stop in long.ids else "length")
        assert short.text == tokenizer.decode(expected[:-1] if stop in long.ids else expected)
        assert len(short.logprobs) == len(short.ids)
    assert stopped[0][0].finish_reason == "stop"


def test_by_default_an_answer_ends_with_the_turn(model, tokenizer):
    """Default stop tokens are the tokenizer's; checked by making its end of turn the only possible next token."""
    certain = type(model)(model.args)
    certain.load_state_dict(model.state_dict())
    with torch.no_grad():
        certain.output.weight.zero_()
        certain.output.weight[tokenizer.eot_id] = certain.hidden(torch.tensor([[5]]))[0, 0]
    (answer,) = Engine(certain, tokenizer).generate([[5]], SamplingParams())[0]
    assert (answer.ids, answer.text, answer.finish_reason) == ([tokenizer.eot_id], "", "stop")
    (answer,) = Engine(certain, tokenizer).generate([[5]], SamplingParams(stop_ids=(), max_new_tokens=1))[0]
    assert answer.text == "<|eot_id|>"


def test_no_prompts_no_answers(model, tokenizer):
    assert Engine(model, tokenizer).generate([], SamplingParams()) == []


def test_progress_counts_answers(model, tokenizer):
    class Count:
        n = 0

        def update(self, n, **figures):
            self.n += n

    count = Count()
    params = SamplingParams(temperature=1.0, n=3, max_new_tokens=4)
    Engine(model, tokenizer, max_batch=4).generate(_prompts(5), params, count)
    assert count.n == 15


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_stream_is_the_answer_in_pieces(model, tokenizer, temperature):
    engine = Engine(model, tokenizer)
    for prompt in _prompts(5, seed=1):
        params = SamplingParams(temperature=temperature, max_new_tokens=20, seed=2)
        pieces = list(engine.stream(prompt, params))
        assert "".join(pieces) == engine.generate([prompt], params)[0][0].text
        assert all(pieces)


def test_training_goes_on_after_generating(tokenizer, model):
    """Nothing that generation leaves in the model (its rotations) forbids a backward pass; new weights are used."""
    own = type(model)(model.args)
    own.load_state_dict(model.state_dict())
    engine = Engine(own, tokenizer)
    params = SamplingParams(max_new_tokens=8, stop_ids=())
    before = engine.generate([[1, 2, 3]], params)
    own(torch.tensor([[1, 2, 3]])).logsumexp(-1).sum().backward()
    with torch.no_grad():
        for parameter in own.parameters():
            assert parameter.grad is not None
            parameter -= 0.1 * parameter.grad
    after = engine.generate([[1, 2, 3]], params)
    _assert_same(after, generate_reference(own, tokenizer, [[1, 2, 3]], params))
    assert after[0][0].logprobs != pytest.approx(before[0][0].logprobs, abs=1e-3)


def test_cancelling_leaves_the_others_as_they_are(model, tokenizer):
    prompts = _prompts(5, seed=4)
    params = SamplingParams(temperature=1.0, n=3, max_new_tokens=9, stop_ids=())
    expected = Engine(model, tokenizer).generate(prompts, params)
    runner = Engine(model, tokenizer).runner(n_rows=4)
    sequences = [runner.add(prompt, params, number) for number, prompt in enumerate(prompts)]
    runner.step()
    runner.step()
    cancelled = [sequences[0][0], sequences[0][2], sequences[1][1], *sequences[4]]  # running, unstarted, waiting
    for sequence in cancelled:
        runner.cancel(sequence)
    while not runner.scheduler.idle:
        runner.step()
    for number, group in enumerate(sequences):
        for k, sequence in enumerate(group):
            if sequence in cancelled:
                assert sequence.finish_reason == "cancelled"
            else:
                assert sequence.ids == expected[number][k].ids
