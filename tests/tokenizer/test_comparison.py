"""Comparison: figures that can be worked out by hand; folders are read as they are documented."""

import gzip
import json
import tarfile

import pytest

from herdbook.errors import InputError
from herdbook.tokenizer import compare, train_bpe
from herdbook.tokenizer.comparison import format_table, read_folder, stream_folder
from herdbook.tokenizer.comparison_page import comparison_page
from herdbook.tokenizer.parallel_text import premiums, read_parallel


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


def test_a_folder_is_streamed(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.jsonl").write_text('{"text": "eins"}\n{"text": "zwei"}\n')
    (tmp_path / "b.txt").write_text("drei")
    (tmp_path / "LICENSE").write_text("speaks of the texts")
    stream = stream_folder(tmp_path)
    assert next(stream) == "eins" and list(stream) == ["zwei", "drei"]
    with pytest.raises(InputError, match="no folder"):
        next(stream_folder(tmp_path / "nowhere"))


# --- the same text in many languages


@pytest.fixture
def translations(tmp_path):
    folder = tmp_path / "parallel"
    folder.mkdir()
    (folder / "news-src.eng.txt").write_text("ab ab\nab\n")
    (folder / "news-ref.deu.txt.gz").write_bytes(gzip.compress("ä\nää\n".encode()))
    (folder / "README.md").write_text("not a text")
    return folder


def test_premium_worked_out_by_hand(translations):
    """Bytes: English 7, German 6; with "ab" joined: English 4 (one token, a blank and a token; one token), German 6."""
    texts = read_parallel(translations)
    assert texts == {"eng": ["ab ab", "ab"], "deu": ["ä", "ää"]}
    tokenizers = {"bytes": train_bpe([""], 272, n_special=16), "merge": train_bpe(["ab ab"], 273, n_special=16)}
    rows = premiums(tokenizers, texts)
    shown = [(row["text"], row["tokenizer"], row["tokens"], row["premium"]) for row in rows]
    assert shown[:2] == [("eng", "bytes", 7, 1), ("eng", "merge", 4, 1)]
    assert shown[2:] == [("deu", "bytes", 6, 6 / 7), ("deu", "merge", 6, 1.5)]
    assert format_table(rows).splitlines()[-1].split()[-1] == "1.500"
    page = comparison_page([], rows)
    assert page.count("<tr>") == 5 and "figure-wide" in page and "1.500" in page


def test_an_archive_is_read_without_unpacking(translations, tmp_path):
    with tarfile.open(tmp_path / "p.tar.xz", "w:xz") as archive:
        archive.add(translations, "../../outside")
    assert read_parallel(tmp_path / "p.tar.xz") == read_parallel(translations)
    assert not (tmp_path.parent.parent / "outside").exists()


def test_texts_that_are_not_parallel(translations, tmp_path):
    with pytest.raises(InputError, match="no text in fra"):
        read_parallel(translations, "fra")
    (translations / "news-ref.fra.txt").write_text("un\n")
    with pytest.raises(InputError, match="fra has 1 lines and eng 2"):
        read_parallel(translations)
    with pytest.raises(InputError, match="There is no"):
        read_parallel(tmp_path / "nowhere")
    (tmp_path / "noise.tar").write_bytes(b"noise")
    with pytest.raises(InputError, match="neither a folder"):
        read_parallel(tmp_path / "noise.tar")


def test_page_escapes_what_others_named():
    one = {"<i>": train_bpe([""], 272, n_special=16)}
    page = comparison_page(compare(one, {"<b>&": ["text"]}))
    assert "<i>" not in page and "<b>" not in page
    assert "&lt;b&gt;&amp;" in page and "not make text four times shorter" in page
