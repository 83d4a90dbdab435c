"""Asking models by one protocol: in this process, behind our own server, behind an endpoint that fails."""

import json
import threading

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from herdbook.errors import ConfigError, HerdbookError, InputError, UserError
from herdbook.inference.chat_model import ChatModel
from herdbook.inference.choices import choice_logprobs, choice_logprobs_reference
from herdbook.inference.client import LocalAnswerer, is_endpoint, open_answerer
from herdbook.inference.endpoint import EndpointAnswerer
from herdbook.serve.app import create_app


def test_choices_are_scored_as_by_the_slow_twin(model, tokenizer):
    rng = np.random.default_rng(0)
    shared = rng.integers(0, 256, 11).tolist()
    prompts = [shared + rng.integers(0, 256, n).tolist() for n in (1, 7, 3, 20, 2)] + [rng.integers(0, 256, 9).tolist()]
    choices = [tokenizer.encode(text) for text in ("a", "yes", "ye", "no")]
    for batch in (1, 3, 16):
        found = choice_logprobs(model, prompts, choices, batch)
        np.testing.assert_allclose(found, choice_logprobs_reference(model, prompts, choices), atol=2e-5)
    assert (found[:, 1] < found[:, 2]).all()  # a longer answer is less probable than its beginning
    equal = choice_logprobs(model, [shared, shared], choices)
    np.testing.assert_allclose(equal[0], choice_logprobs_reference(model, [shared], choices)[0], atol=2e-5)


def test_choices_that_cannot_be_scored(model):
    with pytest.raises(InputError, match="no token"):
        choice_logprobs(model, [[1]], [[]])
    with pytest.raises(InputError, match="context"):
        choice_logprobs(model, [[1] * 48], [[1, 2]])


def test_a_local_model_answers_as_in_a_chat(chat_model):
    asked = ["What?", [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Why?"}]]
    with LocalAnswerer(chat_model) as model:
        answers = model.answer(asked, max_tokens=9)
        scored = model.answer(asked, max_tokens=0, choices=["yes", "no"])
    assert [a.text for a in answers] == [chat_model.chat(q, max_new_tokens=9) for q in asked]
    assert [a.text for a in scored] == ["", ""]
    assert all(set(a.choice_logprobs) == {"yes", "no"} and max(a.choice_logprobs.values()) < 0 for a in scored)
    assert model.answer([]) == []


def test_our_own_server_gives_the_local_answers(chat_model):
    questions = [f"Question {n}?" for n in range(6)]
    local = LocalAnswerer(chat_model).answer(questions, max_tokens=12)
    with TestClient(create_app(chat_model)) as app:  # the same model behind HTTP, in this process

        def forward(request: httpx.Request) -> httpx.Response:
            with lock:
                answer = app.post(
                    "/v1/chat/completions", content=request.content, headers={"content-type": "application/json"}
                )
            return httpx.Response(answer.status_code, content=answer.content)

        lock = threading.Lock()
        with EndpointAnswerer("http://here/v1", chat_model.name, transport=httpx.MockTransport(forward)) as remote:
            assert remote.answer(questions, max_tokens=12) == local
            # It gives no log-probabilities, says so, and is asked without them.
            plain = remote.answer(questions, max_tokens=12, choices=["yes", "no"])
            assert [a.text for a in plain] == [a.text for a in local]
            assert {a.choice_logprobs for a in plain} == {None}


def completion(text, top=None):
    logprobs = None if top is None else {"content": [{"token": "x", "logprob": -9, "top_logprobs": [
        {"token": token, "logprob": value} for token, value in top
    ]}]}  # fmt: skip
    message = {"role": "assistant", "content": text}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": logprobs}]}


class Flaky:
    """An endpoint that answers with the last word of the question, after as many failures as it is told."""

    def __init__(self, *failures):
        self.failures, self.requests, self.pauses = list(failures), [], []
        self.running = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, request):
        with self.lock:
            self.requests.append(request)
            self.running += 1
            self.most = max(self.most, self.running)
            failure = self.failures.pop(0) if self.failures else None
        try:
            threading.Event().wait(0.01)
            if isinstance(failure, Exception):
                raise failure
            if failure is not None:
                return failure
            return httpx.Response(
                200, json=completion(json.loads(request.content)["messages"][-1]["content"].split()[-1])
            )
        finally:
            with self.lock:
                self.running -= 1

    def answerer(self, **settings):
        return EndpointAnswerer(
            "http://there/v1/", "m", transport=httpx.MockTransport(self), sleep=self.pauses.append, **settings
        )


def test_failures_that_pass_are_tried_again_and_answers_stay_in_order():
    failures = [
        httpx.ConnectError("refused"), httpx.Response(503), httpx.Response(429, headers={"retry-after": "7"}),
        httpx.ReadTimeout("slow"), httpx.Response(200, text="<html>"),
    ]  # fmt: skip
    there = Flaky(*failures)
    with there.answerer(concurrency=3) as model:
        answers = model.answer([f"say {n}" for n in range(20)])
    assert [a.text for a in answers] == [str(n) for n in range(20)]
    assert len(there.requests) == 25
    assert len(there.pauses) == 5
    assert max(there.pauses) >= 7  # the server's own wish
    assert 1 < there.most <= 3
    assert str(there.requests[0].url) == "http://there/v1/chat/completions"


def test_pauses_grow_and_end():
    there = Flaky(*[httpx.Response(500)] * 99)
    with pytest.raises(HerdbookError, match=r"5 tries.*status 500") as caught, there.answerer(retries=4) as model:
        model.answer(["say it"])
    assert not isinstance(caught.value, UserError)
    assert len(there.requests) == 5
    assert all(0.7 * 2**n < pause < 1.3 * 2**n for n, pause in enumerate(there.pauses))


@pytest.mark.parametrize("status", [400, 401, 404])
def test_what_will_not_pass_ends_at_once(status):
    there = Flaky(httpx.Response(status, json={"error": {"message": "no such model"}}))
    with pytest.raises(UserError, match=f"status {status}.*no such model"), there.answerer() as model:
        model.answer(["say it"])
    assert there.pauses == []


def test_the_key_comes_from_the_environment_and_is_told_to_nobody_else(monkeypatch):
    monkeypatch.setenv("A_KEY", "secret-1")
    there = Flaky(None, httpx.Response(401, json={"error": {"message": "bad key"}}))
    with there.answerer(api_key_env="A_KEY") as model:
        model.answer(["say it"])
        with pytest.raises(UserError) as caught:
            model.answer(["say it"])
    assert there.requests[0].headers["authorization"] == "Bearer secret-1"
    assert "secret" not in str(caught.value)
    monkeypatch.delenv("A_KEY")
    with pytest.raises(ConfigError, match="A_KEY"):
        there.answerer(api_key_env="A_KEY")


def test_log_probabilities_of_choices():
    top = [(" Yes", np.log(0.5)), ("yes", np.log(0.2)), ("no", np.log(0.1)), ("", -1.0), ("maybe", -3.0)]
    there = Flaky(httpx.Response(200, json=completion("Yes", top)))
    with there.answerer() as model:
        (answer,) = model.answer(["q"], choices=["yes", "no", "never"], max_tokens=0)
    assert answer.choice_logprobs == pytest.approx({"yes": np.log(0.7), "no": np.log(0.1)})
    assert json.loads(there.requests[0].content)["top_logprobs"] == 20
    for wrong in ({}, {"choices": []}, {"choices": [{"message": {"content": 3}}]}, []):
        with (
            pytest.raises(HerdbookError, match="chat completion"),
            Flaky(httpx.Response(200, json=wrong)).answerer() as m,
        ):
            m.answer(["q"])


def test_which_model_is_meant(chat_model, monkeypatch):
    assert is_endpoint("https://x/v1")
    assert not is_endpoint("runs/quickstart")
    with pytest.raises(InputError, match="No model"):
        open_answerer("")
    with pytest.raises(InputError):
        open_answerer("no/such/folder")
    with open_answerer("http://there/v1", model_name="m") as model:
        assert isinstance(model, EndpointAnswerer)
        assert model.name == "m"
    monkeypatch.setattr("herdbook.inference.chat_model.load", lambda path, device: chat_model)
    assert isinstance(open_answerer("smollm2"), LocalAnswerer)
    assert isinstance(chat_model, ChatModel)
