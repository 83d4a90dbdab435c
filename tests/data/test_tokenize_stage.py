"""Stage `tokenize`: every document is in the shards, between its begin and end tokens; deterministic; resumes."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from herdbook.data import PackedLoader, TokenShards, tokenize_stage
from herdbook.data.shards import ShardWriter, token_dtype
from herdbook.errors import ArtifactError
from herdbook.lineage import Artifact, Card
from herdbook.storage import content_hash, manifest, read_json
from herdbook.tokenizer import Tokenizer, train_bpe
from herdbook.workspace import Workspace

TEXTS = [
    "The herd walks to the river.",
    "<|end_of_text|> is text here",
    "",
    "라마 🦙\n\n  def f(): pass",
    "a" * 300,
    "x\n",
]
HELDOUT = ["The river, the herd."]


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Artifact]:
    folder = tmp_path / "corpus"
    (folder / "shards").mkdir(parents=True)
    for name, texts in (("shards/00000", TEXTS[:4]), ("shards/00001", TEXTS[4:]), ("heldout", HELDOUT)):
        rows = [{"id": f"{name}{i}", "text": t, "source": "facts" if i == 0 else "prose"} for i, t in enumerate(texts)]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / f"{name}.parquet")
    train_bpe(TEXTS, 300, n_special=16).save(tmp_path / "tokenizer")
    return {
        kind: Artifact(tmp_path / kind, Card(kind=kind, name=kind, identity="0" * 64))
        for kind in ("corpus", "tokenizer")
    }


def run(inputs, workspace):
    return tokenize_stage.run(tokenize_stage.Config(), inputs, workspace)


def test_every_document_in_order(inputs, tmp_path):
    metrics = run(inputs, Workspace.local(tmp_path / "out"))
    tokenizer = Tokenizer.load(inputs["tokenizer"].path)
    for split, texts in (("train", [t for t in TEXTS if t]), ("heldout", HELDOUT)):
        shards = TokenShards(tmp_path / "out", split)
        documents = [shards.document(i).tolist() for i in range(shards.n_documents)]
        assert documents == [tokenizer.encode(text, bos=True, eos=True) for text in texts]
        assert shards.n_bytes == sum(len(text.encode()) for text in texts) == metrics[split]["n_bytes"]
        assert shards.n_tokens == metrics[split]["n_tokens"] == sum(metrics[split]["n_tokens_by_source"].values())
    index = read_json(tmp_path / "out" / "index.json")
    assert (index["dtype"], index["vocab_size"], index["eos_id"]) == ("<u2", tokenizer.vocab_size, tokenizer.eos_id)
    assert PackedLoader(tmp_path / "out", batch_size=1, seq_len=16).batch(0).tokens_BT.shape == (1, 16)


def test_same_content_every_time(inputs, tmp_path):
    hashes = []
    for name, threads in (("a", 1), ("b", 2)):
        run(inputs, dataclasses.replace(Workspace.local(tmp_path / name), threads=threads))
        hashes.append(content_hash(manifest(tmp_path / name)))
    assert hashes[0] == hashes[1]
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "heldout-00000.bin", "heldout-00000.idx", "index.json",
        "train-00000.bin", "train-00000.idx", "train-00001.bin", "train-00001.idx",
    ]  # fmt: skip


@pytest.mark.parametrize("after", [0, 1, 2])
def test_interrupted_and_taken_up_again(inputs, tmp_path, monkeypatch, after):
    """The process dies in the file after the first `after`; the second run keeps the whole shards."""
    run(inputs, Workspace.local(tmp_path / "whole"))

    class Killed(BaseException):
        pass

    count = 0
    add = tokenize_stage.ShardWriter.add_all

    def dying(self, *documents):
        nonlocal count
        count += 1
        add(self, *documents)
        if count > after:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(tokenize_stage.ShardWriter, "add_all", dying)
        with pytest.raises(Killed):
            run(inputs, Workspace.local(tmp_path / "again"))
    events = []
    run(inputs, dataclasses.replace(Workspace.local(tmp_path / "again"), sink=events.append))
    assert content_hash(manifest(tmp_path / "again")) == content_hash(manifest(tmp_path / "whole"))
    assert len([e for e in events if e["event"] == "resume"]) == after


def test_killed_while_moving_the_shards(inputs, tmp_path):
    """A shard whose `.bin` has left the checkpoint folder already is written again."""
    run(inputs, Workspace.local(tmp_path / "out"))
    expected = content_hash(manifest(tmp_path / "out"))
    (tmp_path / "out" / "train-00000.idx").rename(tmp_path / "out.checkpoints" / "train-00000.idx")
    for path in (tmp_path / "out").iterdir():
        path.unlink()
    run(inputs, Workspace.local(tmp_path / "out"))
    assert content_hash(manifest(tmp_path / "out")) == expected


def test_documents_together_are_documents_one_by_one(tmp_path):
    rows = [[5, 6, 7], [], [65_000], list(range(300))]
    offsets = np.cumsum([0, *map(len, rows)])
    flat = np.array([token for row in rows for token in row], dtype=np.uint32)
    for dtype in ("<u2", "<u4"):
        with (
            ShardWriter(tmp_path / "a", np.dtype(dtype)) as one_by_one,
            ShardWriter(tmp_path / "b", np.dtype(dtype)) as b,
        ):
            for row in rows * 2:
                one_by_one.add([1, *row, 2])
            for _ in range(2):
                b.add_all(flat, offsets, 1, 2)
            b.add_all(flat[:0], offsets[:1], 1, 2)
        for suffix in (".bin", ".idx"):
            assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_ahead():
    """All items in order; an error in making one comes where it would have come."""

    def failing():
        yield from "abc"
        raise OSError("gone")

    assert list(tokenize_stage.ahead(iter("abcdef"))) == list("abcdef")
    seen = []
    with pytest.raises(OSError, match="gone"):
        seen.extend(tokenize_stage.ahead(failing()))
    items = tokenize_stage.ahead(failing())
    assert next(items) == "a"
    items.close()


def test_wide_ids():
    assert token_dtype(65_536) == np.dtype("<u2") and token_dtype(65_537) == np.dtype("<u4")


def test_a_corpus_without_text(inputs, tmp_path):
    for path in (inputs["corpus"].path / "shards").iterdir():
        path.unlink()
    with pytest.raises(ArtifactError, match="no text"):
        run(inputs, Workspace.local(tmp_path / "out"))


def test_text_that_is_no_utf8(inputs, tmp_path):
    file = inputs["corpus"].path / "shards" / "00001.parquet"
    rows = {"id": ["a"], "text": pyarrow.array([b"half a character \xc3"]), "source": ["prose"]}
    pyarrow.parquet.write_table(pyarrow.table(rows), file)
    with pytest.raises(ArtifactError, match=r"00001\.parquet has a text that is no UTF-8"):
        run(inputs, Workspace.local(tmp_path / "out"))
