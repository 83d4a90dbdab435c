"""The engine: whoever schedules and however often it is killed, the same corpus comes out."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from herdbook.curation.inspect import lines, story
from herdbook.errors import ConfigError, InputError
from herdbook.recipe import run
from herdbook.recipe.contains import contains
from herdbook.storage import manifest, read_json

SKIP = ["quality", "held_out"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, made_up: SimpleNamespace) -> Path:
    """JSON lines, plain files and sources, with repeats of every kind."""
    prose, program = made_up.prose, made_up.program
    rng = random.Random(5)
    root = tmp_path_factory.mktemp("text")
    rows = [{"id": f"w{i}", "text": prose(rng), "url": f"https://example.org/{i}"} for i in range(300)]
    rows += [{"id": f"w{i}", "text": prose(rng), "url": f"https://example.org/new/{i}"} for i in range(3)]  # ids again
    rows += [{"id": f"zcopy{i}", "text": rows[i]["text"].strip()} for i in range(20)]
    rows += [{"id": f"twin{i}", "text": rows[30 + i]["text"] + "One more line is here.\n"} for i in range(20)]
    with open(root / "web.jsonl", "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
        file.write("{this is no JSON}\n")
    for i in range(20):
        (root / f"note{i}.txt").write_text(prose(rng))
        (root / f"module{i}.py").write_text(program(rng))
    (root / "picture.txt").write_bytes(bytes(range(256)) * 20)
    return root


def recipe(folder: Path, **settings: object) -> dict:
    table = {"path": [str(folder)], "unit_megabytes": 0.05, "skip": SKIP, **settings}
    return {"recipe": {"name": "c"}, "stages": {"curate": table}}


@pytest.fixture(scope="module")
def corpus(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    return run(recipe(folder), out, mode="quiet").artifacts["curate"].path


def payload(path: Path) -> dict:
    found = manifest(path)
    return {name: entry["sha256"] for name, entry in found.items() if name != "card.json"}


def test_what_comes_out(corpus: Path) -> None:
    funnel = read_json(corpus / "funnel.json")
    reasons = {r: sum(by.values()) for step in funnel["steps"] for r, by in step["reasons"].items()}
    assert reasons["exact_duplicate"] == 20
    assert reasons["near_duplicate"] == 20
    assert funnel["not_read"]["not_json"] == 1
    assert funnel["not_read"]["binary"] == 1
    assert funnel["duplicate_ids"] == 3
    assert funnel["steps"][0]["in"] == 383


@pytest.mark.parametrize("engine", ["processes", "ray"])
def test_every_engine_gives_the_same_bytes(
    engine: str, folder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "ray":
        pytest.importorskip("ray", reason="ray is not installed: pip install 'herdbook[cluster]'")
        monkeypatch.setenv("HERDBOOK_TEST_NETWORK", "1")  # its processes ask for the address of this machine
    overrides = {"run.engine": "ray" if engine == "ray" else "native", "run.threads": 2}
    again = run(recipe(folder), tmp_path, overrides, mode="quiet").artifacts["curate"]
    assert payload(again.path) == payload(corpus)


def test_kill_and_resume(folder: Path, corpus: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "herdbook", "curate", "--path", str(folder), "--unit_megabytes=0.05"]
    command += [f"--skip={','.join(SKIP)}", "--out", str(tmp_path / "run"), "--quiet", "--run.threads=1"]
    for wanted in (2, 5):
        process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        end = time.monotonic() + 120
        while len(list((tmp_path / "run" / "cache" / "units").glob("[0-9a-f]*"))) < wanted:
            assert process.poll() is None, process.stdout.read() if process.stdout else ""
            assert time.monotonic() < end
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command, check=True, capture_output=True)
    (found,) = (tmp_path / "run" / "stages").glob("curate-*")
    assert payload(found) == payload(corpus)


def test_stopped_in_every_phase(folder: Path, corpus: Path, tmp_path: Path) -> None:
    """kill -9 and Ctrl-C while documents are judged, near-duplicates sought, and shards written; then to the end."""
    command = [sys.executable, "-m", "herdbook", "curate", "--path", str(folder), "--unit_megabytes=0.05"]
    command += [f"--skip={','.join(SKIP)}", "--out", str(tmp_path / "run"), "--quiet", "--run.threads=1"]
    stopped = 0
    for mark, how in (
        ("work/curate/checkpoints/global/same_url.json", signal.SIGKILL),
        ("work/curate/checkpoints/near", signal.SIGINT),
        ("work/curate/out/shards/*.parquet", signal.SIGKILL),
        ("work/curate/out/funnel.json", signal.SIGINT),
    ):
        for _ in range(3):
            process = subprocess.Popen(
                command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )  # fmt: skip
            end = time.monotonic() + 120
            while process.poll() is None and not list((tmp_path / "run").glob(mark)):
                assert time.monotonic() < end
                time.sleep(0.002)
            if process.poll() is None and how == signal.SIGKILL:
                os.killpg(process.pid, how)
            elif process.poll() is None:
                process.send_signal(how)
            said = process.communicate()[0].decode()
            assert "Traceback" not in said
            if process.returncode:
                stopped += 1
                break
            shutil.rmtree(tmp_path / "run" / "stages")  # it was done before the mark was seen: once more
        assert not list((tmp_path / "run" / "stages").glob("curate-*"))
    assert stopped >= 2
    subprocess.run(command, check=True, capture_output=True)
    (found,) = (tmp_path / "run" / "stages").glob("curate-*")
    assert payload(found) == payload(corpus)


def test_another_threshold_reads_nothing_again(folder: Path, tmp_path: Path) -> None:
    run(recipe(folder), tmp_path, mode="quiet")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "units").glob("*/documents.arrow")}
    stricter = recipe(folder, heuristics={"gopher_quality": {"min_words": 400}})
    found = run(stricter, tmp_path, mode="quiet").artifacts["curate"].path
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "units").glob("*/documents.arrow")}
    assert before == after
    funnel = read_json(found / "funnel.json")
    assert any("few_words" in reason for step in funnel["steps"] for reason in step["reasons"])


def test_a_documents_story(corpus: Path) -> None:
    gone = story(corpus, "zcopy3")
    assert gone["verdict"]["reason"] == "exact_duplicate"
    assert gone["verdict"]["kept_instead"] == "w3"
    assert "went at exact_duplicates: exact_duplicate; w3 stays instead" in "\n".join(lines(gone))
    kept = story(corpus, "w3")
    assert kept["duplicates"] == ["zcopy3"]
    assert [entry["file"] for entry in kept["entries"]] == ["shards/train-00000.parquet"]
    assert kept["text"]
    with pytest.raises(InputError, match="twin"):
        story(corpus, "twi")


def test_which_artifacts_hold_a_document(corpus: Path) -> None:
    run_folder = corpus.parent.parent
    assert [(h.how, h.artifact.name) for h in contains(run_folder, "w3")] == [("holds", "curate")]
    (dropped,) = contains(run_folder, "zcopy3")
    assert (dropped.how, dropped.where) == ("dropped", "exact_duplicates: exact_duplicate")
    assert contains(run_folder, "no such id") == []


def test_new_data_against_old(folder: Path, tmp_path: Path, made_up: SimpleNamespace) -> None:
    old = run(recipe(folder, keep_index=True), tmp_path / "old", mode="quiet").artifacts["curate"].path
    rng = random.Random(77)
    new = tmp_path / "new"
    new.mkdir()
    first = json.loads((folder / "web.jsonl").read_text().split("\n")[100])
    rows = [
        {"id": "same", "text": first["text"]},
        {"id": "near", "text": first["text"] + "And a line more.\n"},
        {"id": "page", "text": made_up.prose(rng), "url": "https://example.org/101"},
        {"id": "fresh", "text": made_up.prose(rng)},
    ]
    (new / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert old.is_relative_to(tmp_path / "old")
    settings = recipe(new, inputs={"against": str(tmp_path / "old")})  # a run folder with one artifact means that one
    found = run(settings, tmp_path / "run", mode="quiet").artifacts["curate"].path
    verdicts = {name: story(found, name)["verdict"] for name in ("same", "near", "page", "fresh")}
    assert {name: verdict["reason"] for name, verdict in verdicts.items()} == {
        "same": "exact_duplicate", "near": "near_duplicate", "page": "same_url", "fresh": None,
    }  # fmt: skip
    assert all("w10" in verdicts[name]["detail"] for name in ("same", "near", "page"))


def test_a_trained_model_judges_the_next_corpus(
    folder: Path, corpus: Path, tmp_path: Path, made_up: SimpleNamespace
) -> None:
    """A corpus teaches a quality model what is not like the positives; curation with that model drops it."""
    rng = random.Random(9)
    good = tmp_path / "good.jsonl"
    texts = [re.sub(r"\b([a-z]{6,})\b", r"\1ish", made_up.prose(rng)) for _ in range(150)]  # words of their own
    good.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    whole = recipe(folder, inputs={"quality": "quality"}, classifiers={"min_reference": 0.5})
    whole["stages"] = {
        "quality": {"inputs": {"documents": str(corpus)}, "method": "reference", "positives": [str(good)]},
        **whole["stages"],
    }
    whole["stages"]["curate"]["path"].append(str(good))
    whole["stages"]["curate"]["skip"] = [*SKIP, "near_duplicates", "frequent_lines"]
    found = run(whole, tmp_path / "run", mode="quiet").artifacts["curate"].path
    gone = story(found, "w3")
    assert gone["verdict"]["reason"] == "low_quality_reference"
    (signals,) = [step["signals"] for step in gone["steps"] if step["name"] == "classifiers"]
    assert signals["quality_reference"] < 0.5
    (last,) = [step for step in read_json(found / "funnel.json")["steps"] if step["name"] == "mixture"]
    assert last["kept"]["good.jsonl"] > 100
    assert last["kept"].get("text0", 0) < last["kept"]["good.jsonl"]


def test_user_errors(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        run(recipe(tmp_path / "nowhere"), tmp_path / "a", mode="quiet")
    with pytest.raises(InputError, match="nothing to curate"):
        run({"recipe": {"name": "c"}, "stages": {"curate": {}}}, tmp_path / "b", mode="quiet")
    with pytest.raises(ConfigError, match="near_duplicates"):
        run(recipe(folder, skip=["near_duplicate"]), tmp_path / "c", mode="quiet")


def test_benchmarks_and_other_words_for_the_same(tmp_path: Path, made_up: SimpleNamespace) -> None:
    rng = random.Random(3)
    items = [made_up.prose(rng, 1).strip() for _ in range(30)]
    benchmark = tmp_path / "items.jsonl"
    benchmark.write_text("".join(json.dumps({"question": item}) + "\n" for item in items))
    rows = [{"id": f"d{i}", "text": made_up.prose(rng)} for i in range(60)]
    rows += [
        {"id": f"planted{i}", "text": made_up.prose(rng, 6) + items[i] + "\n" + made_up.prose(rng, 6)}
        for i in range(20)
    ]
    words = rows[7]["text"].split(" ")
    words[40:45] = ["altogether"]
    rows.append({"id": "reworded", "text": " ".join(words)})
    source = tmp_path / "text" / "web.jsonl"
    source.parent.mkdir()
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {
        "path": [str(source.parent)], "skip": ["held_out", "quality", "near_duplicates"],
        "contamination": {"benchmarks": {"made_up": f"{benchmark}#question"}},
        "semantic": {"use": True, "embedders": ["character-ngrams"]},
    }  # fmt: skip
    found = run({"recipe": {"name": "c"}, "stages": {"curate": settings}}, tmp_path / "run", mode="quiet")
    corpus = found.artifacts["curate"].path
    for i in range(20):
        assert story(corpus, f"planted{i}")["verdict"]["reason"] == "contains_benchmark"
    report = read_json(corpus / "contamination.json")
    named = {row["item"]: row["documents"] for row in report["items"]}
    assert named == {i: [f"planted{i}"] for i in range(20)}
    pair = [story(corpus, name)["verdict"] for name in ("reworded", "d7")]
    assert sorted(str(verdict["reason"]) for verdict in pair) == ["None", "semantic_duplicate"]
    funnel = read_json(corpus / "funnel.json")
    assert sum(sum(by.values()) for by in funnel["steps"][-2]["reasons"].values()) == 20
    benchmark.unlink()
    with pytest.raises(InputError, match="made_up"):
        run({"recipe": {"name": "c"}, "stages": {"curate": settings}}, tmp_path / "again", mode="quiet")
