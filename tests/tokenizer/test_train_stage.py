"""Stage `tokenizer`: deterministic, honours its sample, refuses settings that cannot work."""

import dataclasses
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from herdbook.config import from_mapping
from herdbook.errors import ArtifactError, ConfigError
from herdbook.lineage import Artifact, Card
from herdbook.storage import content_hash, manifest
from herdbook.tokenizer import Tokenizer, train_stage
from herdbook.tokenizer.corpus_text import read_documents, text_files, total_bytes
from herdbook.workspace import Workspace


def documents(n: int) -> list[dict[str, str]]:
    words = ["herd", "llama", "walks", "def", "return", "list", "물", "é", "river", "print(x)"]
    return [
        {
            "id": f"d{i}",
            "text": " ".join(words[(i * k + k) % len(words)] for k in range(1, 40)) + f"\n{i}\n",
            "source": "facts" if i % 10 == 0 else "prose",
        }
        for i in range(n)
    ]


@pytest.fixture
def corpus(tmp_path: Path) -> Artifact:
    folder = tmp_path / "corpus"
    (folder / "shards").mkdir(parents=True)
    rows = documents(200)
    for name, part in (("00000", rows[:120]), ("00001", rows[120:])):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(part), folder / "shards" / f"{name}.parquet")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(documents(5)), folder / "heldout.parquet")
    return Artifact(folder, Card(kind="corpus", name="curate", identity="0" * 64))


def test_result_is_a_tokenizer(corpus, tmp_path):
    out = Workspace.local(tmp_path / "out")
    metrics = train_stage.run(train_stage.Config(vocab_size=320), {"corpus": corpus}, out)
    tokenizer = Tokenizer.load(out.out)
    assert metrics["vocab_size"] == tokenizer.vocab_size == 320
    assert metrics["corpus_bytes"] == metrics["trained_on_bytes"] == total_bytes(text_files(corpus))
    assert set(metrics["trained_on_bytes_by_source"]) == {"facts", "prose"}
    assert metrics["heldout"]["bytes_per_token"] > 2
    for _, text, _ in read_documents(text_files(corpus, "heldout")):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_same_seed_same_content(corpus, tmp_path):
    config = train_stage.Config(vocab_size=310, max_megabytes=0.02)
    hashes = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = Workspace.local(tmp_path / name, seed=seed)
        train_stage.run(config, {"corpus": corpus}, out)
        hashes.append(content_hash(manifest(out.out)))
    assert hashes[0] == hashes[1] != hashes[2]


def test_sample_takes_all_facts_and_a_share_of_the_rest(corpus, tmp_path):
    metrics = [
        train_stage.run(
            train_stage.Config(vocab_size=300, max_megabytes=megabytes),
            {"corpus": corpus},
            Workspace.local(tmp_path / f"{megabytes}"),
        )["trained_on_bytes_by_source"]
        for megabytes in (0.0, 0.01)
    ]
    everything, sample = metrics
    assert sample["facts"] == everything["facts"]
    assert 0.05 < sample["prose"] / everything["prose"] < 0.6


def test_a_document_is_drawn_whatever_stands_beside_it():
    drawn = {i for i in range(10_000) if train_stage.is_drawn((f"d{i}", "", "prose"), 0.25, (), seed=7)}
    more = {i for i in range(10_000) if train_stage.is_drawn((f"d{i}", "", "prose"), 0.5, (), seed=7)}
    assert 2300 < len(drawn) < 2700 and drawn < more


def test_text_too_small_says_so(corpus, tmp_path):
    said = []
    workspace = dataclasses.replace(Workspace.local(tmp_path / "out"), sink=said.append)
    metrics = train_stage.run(train_stage.Config(vocab_size=50_000), {"corpus": corpus}, workspace)
    assert metrics["vocab_size"] < 50_000
    assert any(f"{metrics['vocab_size']:,} rows, not 50,000" in event.get("text", "") for event in said)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vocab_size": 200}, "less than the 256 bytes"),
        ({"n_special": 5}, "not between 10 and 256"),
        ({"special_tokens": "llama2"}, "no table"),
        ({"min_count": 0}, "at least 1"),
        ({"vocab": 4096}, "vocab_size"),
    ],
)
def test_settings_that_cannot_work(corpus, tmp_path, settings, message):
    def attempt():
        config = from_mapping(train_stage.Config, settings, "stages.tokenizer")
        train_stage.run(config, {"corpus": corpus}, Workspace.local(tmp_path / "out"))

    with pytest.raises(ConfigError, match=message):
        attempt()


def test_a_corpus_that_cannot_be_read(corpus, tmp_path):
    for path in (corpus.path / "shards").iterdir():
        path.unlink()
    with pytest.raises(ArtifactError, match="no text"):
        train_stage.run(train_stage.Config(), {"corpus": corpus}, Workspace.local(tmp_path / "out"))
    (corpus.path / "shards" / "00000.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(ArtifactError, match=r"00000\.parquet is not a readable table"):
        train_stage.run(train_stage.Config(), {"corpus": corpus}, Workspace.local(tmp_path / "out2"))
    pyarrow.parquet.write_table(pyarrow.table({"words": ["a"]}), corpus.path / "shards" / "00000.parquet")
    with pytest.raises(ArtifactError, match="no column 'text'"):
        train_stage.run(train_stage.Config(), {"corpus": corpus}, Workspace.local(tmp_path / "out3"))
