"""Comparison: figures that can be worked out by hand; folders are read as they are documented."""

import gzip
import json

import pytest

from herdbook.errors import InputError
from herdbook.tokenizer import compare, train_bpe
from herdbook.tokenizer.comparison import format_table, read_folder


def test_figures_worked_out_by_hand(tmp_path):
    bytes_only = train_bpe([""], 272, n_special=16)
    one_merge = train_bpe(["ab ab"], 273, n_special=16)
    one_merge.save(tmp_path)
    first, second = compare({"bytes": bytes_only, "merge": tmp_path}, {"x": ["ab é", "ab"]})
    assert (first["tokens"], second["tokens"]) == (7, 5)
    assert first["characters_per_token"] == 6 / 7 and first["bytes_per_token"] == 1
    assert second["tokens_per_word"] == 5 / 3 and second["relative"] == 5 / 7
    assert first["relative"] == 1
    table = format_table([first, second]).splitlines()
    assert len(table) == 3 and table[2].split() == ["x", "merge", "273", "5", "1.200", "1.400", "1.667", "0.714"]


def test_a_folder_of_texts(tmp_path):
    (tmp_path / "ko").mkdir()
    (tmp_path / "ko" / "b.jsonl.gz").write_bytes(gzip.compress((json.dumps({"text": "둘"}) + "\n[]\n").encode()))
    (tmp_path / "ko" / "a.txt").write_text("하나", "utf-8")
    (tmp_path / "code.py").write_text("pass")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\x00")
    (tmp_path / "broken.txt.gz").write_bytes(b"not gzip")
    assert read_folder(tmp_path) == {"code": ["pass"], "ko": ["하나", "둘"]}
    assert read_folder(tmp_path, max_bytes=3)["ko"] == ["하나"]
    assert {row["text"] for row in compare({"b": train_bpe([""], 272, n_special=16)}, tmp_path)} == {"code", "ko"}


def test_a_folder_without_texts(tmp_path):
    with pytest.raises(InputError, match="holds no text"):
        read_folder(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        read_folder(tmp_path / "nowhere")
