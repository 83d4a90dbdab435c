"""The HTTP API over a real socket."""

import concurrent.futures
import json
import re
import time

import httpx
import pytest

import herdbook.inference.runner

QUESTION = [{"role": "user", "content": "What does it do?"}]


def post(client, **body):
    return client.post("/v1/chat/completions", json={"messages": QUESTION, "max_tokens": 24, **body})


def stream(client, **body):
    """All events of a streamed answer, as the JSON values between the `data:` lines; checks the form."""
    request = {"messages": QUESTION, "max_tokens": 24, "stream": True, **body}
    with client.stream("POST", "/v1/chat/completions", json=request) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        parts = response.read().decode().split("\n\n")
    assert parts[-2:] == ["data: [DONE]", ""]
    assert all(part.startswith("data: ") for part in parts[:-1])
    return [json.loads(part.removeprefix("data: ")) for part in parts[:-2]]


def text_of(events, index=0):
    choices = [choice for event in events for choice in event["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get("content", "") for choice in choices)


def test_an_answer(client, chat_model):
    body = post(client).json()
    (expected,) = chat_model.complete(QUESTION, max_new_tokens=24)
    n_prompt = len(chat_model.prompt(QUESTION, chat_model.params()).ids)
    assert body["object"] == "chat.completion"
    assert body["model"] == "tiny"
    assert re.fullmatch(r"chatcmpl-\w+", body["id"])
    (choice,) = body["choices"]
    assert choice["message"] == {"role": "assistant", "content": expected.text}
    assert choice["finish_reason"] == expected.finish_reason
    n = len(expected.ids)
    assert body["usage"] == {"prompt_tokens": n_prompt, "completion_tokens": n, "total_tokens": n_prompt + n}


@pytest.mark.parametrize(
    "settings", [{}, {"temperature": 1.0, "seed": 3}, {"temperature": 1.2, "top_p": 0.9, "seed": 1}]
)
def test_a_streamed_answer_is_the_same(client, settings):
    whole = post(client, **settings).json()
    events = stream(client, stream_options={"include_usage": True}, **settings)
    assert text_of(events) == whole["choices"][0]["message"]["content"]
    assert {event["object"] for event in events} == {"chat.completion.chunk"}
    assert len({event["id"] for event in events}) == 1
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    reasons = [event["choices"][0]["finish_reason"] for event in events[:-1]]
    assert reasons == [None] * (len(reasons) - 1) + [whole["choices"][0]["finish_reason"]]
    assert events[-1]["choices"] == []
    assert events[-1]["usage"] == whole["usage"]


def test_several_answers(client):
    whole = post(client, n=3, temperature=1.0, seed=5).json()
    texts = [choice["message"]["content"] for choice in whole["choices"]]
    assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2]
    assert len(set(texts)) == 3
    events = stream(client, n=3, temperature=1.0, seed=5)
    assert [text_of(events, index) for index in range(3)] == texts


def test_without_a_seed_answers_differ(client):
    texts = {post(client, temperature=1.5).json()["choices"][0]["message"]["content"] for _ in range(3)}
    assert len(texts) == 3


def test_stop_strings(client):
    whole = post(client, temperature=1.0, seed=3).json()["choices"][0]["message"]["content"]
    stop = whole[5:8]
    assert stop
    expected = whole[: whole.index(stop)]
    for value in (stop, ["never there", stop]):
        choice = post(client, temperature=1.0, seed=3, stop=value).json()["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == (expected, "stop")
        events = stream(client, temperature=1.0, seed=3, stop=value)
        assert text_of(events) == expected
        assert events[-1]["choices"][0]["finish_reason"] == "stop"


def test_many_at_once_get_what_they_would_get_alone(client, server):
    """More requests than the batch has rows, of both kinds, from separate connections."""
    seeds = list(range(10))
    alone = [post(client, temperature=1.0, seed=seed).json()["choices"][0]["message"]["content"] for seed in seeds]

    def ask(seed):
        with httpx.Client(base_url=server.url, timeout=60) as own:
            if seed % 2:
                return text_of(stream(own, temperature=1.0, seed=seed))
            return post(own, temperature=1.0, seed=seed).json()["choices"][0]["message"]["content"]

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        assert list(pool.map(ask, seeds)) == alone


def test_forms_of_content_and_neutral_fields(client):
    parts = [{"role": "user", "content": [{"type": "text", "text": "What does"}, {"type": "text", "text": "it do?"}]}]
    joined = [{"role": "user", "content": "What does\nit do?"}]
    neutral = {"frequency_penalty": 0, "tools": [], "logprobs": False, "user": "me", "model": "tiny"}
    bodies = [{"messages": parts, "max_tokens": 24, **neutral}, {"messages": joined, "max_completion_tokens": 24}]
    answers = [client.post("/v1/chat/completions", json=body).json() for body in bodies]
    contents = [answer["choices"][0]["message"]["content"] for answer in answers]
    assert contents[0] == contents[1]


def test_a_long_conversation_loses_its_oldest_turns(client, chat_model):
    talk = [{"role": "user", "content": "word " * 6}, {"role": "assistant", "content": "word " * 6}] * 6 + QUESTION
    body = post(client, messages=talk).json()
    assert body["herdbook"]["dropped_messages"] > 0
    assert body["usage"]["prompt_tokens"] <= 256 - 24
    assert body["choices"][0]["message"]["content"] == chat_model.chat(talk, max_new_tokens=24)
    assert stream(client, messages=talk)[0]["herdbook"] == body["herdbook"]


@pytest.mark.parametrize(
    "change, param",
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": "x" * 2000}]}, "messages"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 2}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": "all"}, "max_completion_tokens"),
        ({"n": 0}, "n"),
        ({"n": 1000}, "n"),
        ({"seed": "x"}, "seed"),
        ({"stop": ["a", 5]}, "stop"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stream": 1}, "stream"),
        ({"stream_options": 5}, "stream_options"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"presence_penalty": 1.0}, "presence_penalty"),
        ({"logprobs": True}, "logprobs"),
        ({"temprature": 1.0}, "temprature"),
        ({"model": 5}, "model"),
    ],
)
def test_bad_input_is_named(client, change, param):
    for streamed in (False, True):
        response = post(client, **{"stream": streamed, **change})
        assert response.status_code == 400, response.text
        error = response.json()["error"]
        assert error["param"] == param
        assert param in error["message"] or param == "messages"
        assert error["type"] == "invalid_request_error"


def test_a_missing_field_and_broken_bodies(client):
    def error(**request):
        response = client.post("/v1/chat/completions", **request)
        assert response.status_code == 400
        return response.json()["error"]["message"]

    assert error(json={}) == "messages is missing"
    assert error(json=[1]) == "the body must be a JSON object"
    json_header = {"Content-Type": "application/json"}
    assert error(content=b"{", headers=json_header) == "the body is not valid JSON"
    assert error(content=b"\xff\xfe", headers=json_header) == "the body is not valid JSON"
    assert error(content=b"[" * 100_000, headers=json_header) == "the body is not valid JSON"
    assert "longer than" in error(content=b" " * (5 << 20), headers=json_header)
    assert "Content-Type" in error(content=b"{}", headers={"Content-Type": "text/plain"})


def test_another_model_is_not_found(client):
    response = post(client, model="gpt-4")
    assert response.status_code == 404
    error = response.json()["error"]
    assert (error["param"], error["code"]) == ("model", "model_not_found")
    assert "'tiny'" in error["message"]


def test_models_and_health(client):
    (entry,) = client.get("/v1/models").json()["data"]
    assert (entry["id"], entry["object"]) == ("tiny", "model")
    assert client.get("/v1/models/tiny").json() == entry
    assert client.get("/v1/models/other").status_code == 404
    assert client.get("/health").json() == {"status": "ok", "model": "tiny"}


@pytest.mark.parametrize("method, path, status", [("GET", "/nothing", 404), ("GET", "/v1/chat/completions", 405)])
def test_errors_of_routing_have_the_same_form(client, method, path, status):
    response = client.request(method, path)
    assert response.status_code == status
    assert path in response.json()["error"]["message"]


def test_the_page_asks_nobody_else(client):
    response = client.get("/")
    page = response.text
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert not re.search(r"https?://|//[a-z]|@import|url\(", re.sub(r"\s//[^\n]*", "", page))
    assert 'name="viewport"' in page
    assert "prefers-color-scheme: dark" in page


def test_leaving_ends_the_work(client, app, monkeypatch):
    """A client that goes away in the middle of a stream frees its row: the engine comes to rest long before the end."""
    steps = []
    step = herdbook.inference.runner.Runner.step

    def counted(self):
        time.sleep(0.02)
        steps.append(self)
        return step(self)

    monkeypatch.setattr(herdbook.inference.runner.Runner, "step", counted)
    request = {"messages": QUESTION, "max_tokens": 200, "stream": True, "temperature": 1.0, "seed": 12, "n": 4}
    with client.stream("POST", "/v1/chat/completions", json=request) as response:
        lines = response.iter_lines()
        while not steps:  # the answer has begun
            next(lines)
    deadline = time.monotonic() + 60
    while not steps[-1].scheduler.idle and time.monotonic() < deadline:
        time.sleep(0.05)
    assert steps[-1].scheduler.idle
    assert len(steps) < 190


def test_a_failure_of_the_engine_is_told_and_survived(client, monkeypatch):
    expected = post(client).json()["choices"]

    def broken(self):
        raise RuntimeError("a bad day")

    with monkeypatch.context() as patch:
        patch.setattr(herdbook.inference.runner.Runner, "step", broken)
        response = post(client)
        assert response.status_code == 500
        assert response.json()["error"]["message"] == "the engine failed: a bad day"
        with client.stream("POST", "/v1/chat/completions", json={"messages": QUESTION, "stream": True}) as streamed:
            text = streamed.read().decode()
        assert "a bad day" in text
        assert "[DONE]" not in text
    assert post(client).json()["choices"] == expected
