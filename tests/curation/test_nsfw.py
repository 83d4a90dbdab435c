"""The NSFW step: its kernels against the slow twin, its rules on hand-made signals, its verdicts on plain cases."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import slow_nsfw as slow
from hypothesis import given, settings
from hypothesis import strategies as st

from herdbook.curation import nsfw
from herdbook.curation.heuristics.words import texts_of
from herdbook.curation.nsfw import classifier, passages
from herdbook.errors import ConfigError, InputError

DEFAULT = nsfw.Config()
COUNTER_SPEECH = [
    "Calling immigrants vermin is wrong, and we should all say so when we hear it.",
    "Nobody should be insulted because of the colour of their skin or the god they pray to.",
    "If you hate people because they are gay, please ask yourself what they ever did to you.",
    "The council condemned the racist slurs that were shouted at the players on Sunday.",
    "I was bullied at school for being Muslim; a teacher who stood up for me changed my life.",
    "여성을 비하하는 표현을 쓰지 말자는 캠페인이 학교에서 시작되었습니다.",
    "외국인 노동자에 대한 차별은 어떤 이유로도 정당화될 수 없습니다.",
    "혐오 표현을 들은 학생들은 상담을 받을 수 있으며, 학교는 이를 조사해야 합니다.",
]
MEDICAL = [
    "Breast cancer screening is offered to women between 50 and 69 years of age every two years.",
    "The patient reported pain during sexual intercourse and was referred to a gynaecologist.",
    "Condoms, used correctly, protect against HIV and other sexually transmitted infections.",
    "During puberty the penis and testicles grow, and the first ejaculation often happens at night.",
    "The vagina is a muscular canal that connects the uterus with the vulva.",
    "유방암 검진은 만 40세 이상의 여성에게 2년마다 권장된다.",
    "사춘기에는 성호르몬의 영향으로 음모가 자라고 월경이나 몽정이 시작된다.",
    "콘돔을 올바르게 사용하면 성병과 원치 않는 임신을 예방할 수 있다.",
]
ABUSE = [
    ("en", "shut up you stupid bitch, you are a worthless piece of shit and everybody hates you"),
    ("en", "go to hell you fucking retarded faggot"),
    ("ko", "야 이 병신새끼야 꺼져라 진짜 역겹다 씨발"),
    ("ko", "미친년들 지랄하고 자빠졌네 개같은 것들"),
]
ADULT = [
    "Free porn videos: horny milf blowjob, anal gangbang and cumshot compilation, hot pussy xxx webcam sluts",
    "hardcore xxx porn tube, busty teen blowjob, big cock anal creampie, naked camgirls and hentai porn",
]
PLAIN = "The bridge was opened in 1932 and carries two lanes of traffic across the river. "


def measured(texts, languages=None, config=DEFAULT, **columns):
    languages = languages or [None] * len(texts)
    table = {"text": pa.array(texts, pa.large_string()), "language": pa.array(languages, pa.string()), **columns}
    return nsfw.measure(pa.table(table), config)


def reasons(table, config=DEFAULT):
    """The reasons of each document."""
    found = nsfw.rules({name: table[name].to_numpy() for name in table.column_names}, config)
    return [[reason for reason, mask in found if mask[i]] for i in range(table.num_rows)]


PIECES = "시발|ㅅㅂ|ㅋㅋㅋㅋ|가나다|Hello|WORLD|f*ck|. |。|\n| |漢字|ß|🤬|İ|x. |\u2028|\u318e|\u3164|१२|ि".split(
    "|"
) + ["a" * 90, "각" * 90, "😀" * 60]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=60).map("".join)


@given(TEXTS)
def test_kernels_equal_the_slow_twin(text):
    text = text.encode("utf-8", "ignore").decode()
    model = classifier.weights()
    found = classifier.score(texts_of([text]), model)
    expected = np.array(slow.logits(text, model)).reshape(-1, 2) * np.array(model.scale) + np.array(model.bias)
    assert np.allclose(found.probability_P2, 1 / (1 + np.exp(-np.clip(expected, -30, 30))), rtol=0, atol=1e-12)
    data, starts = text.encode(), [*found.start_P, len(text.encode())]
    assert [data[a:b].decode() for a, b in pairwise(starts)] == slow.cut(text)


@settings(max_examples=150)
@given(st.lists(st.binary(max_size=900) | TEXTS.map(lambda text: text.encode("utf-8", "ignore")[1:]), max_size=4))
def test_any_bytes_are_scored_and_nothing_depends_on_the_neighbours(texts):
    model = classifier.weights()
    together = classifier.document_scores(classifier.score(texts_of(pa.array(texts, pa.binary())), model))
    alone = [classifier.document_scores(classifier.score(texts_of(pa.array([t], pa.binary())), model)) for t in texts]
    assert np.array_equal(together, np.concatenate([*alone, np.zeros((0, 2), np.float32)]))
    assert ((together >= 0) & (together <= 1)).all()


def test_batches_do_not_matter():
    texts = [PLAIN * 40, "", ABUSE[0][1], "가" * 5000, ADULT[0] + PLAIN * 3, "\n".join(MEDICAL)]
    whole = measured(texts)
    assert whole.equals(pa.concat_tables([measured([text]) for text in texts]))
    sliced = pa.table({"text": pa.chunked_array([pa.array(["x", *texts[:3]]).slice(1), pa.array(texts[3:])])})
    assert nsfw.measure(sliced, DEFAULT).equals(whole)


def test_passages():
    assert [len(p) for p in slow.cut(PLAIN * 10)] == [243, 243, 243, 81]
    long_word = "x" * 1300
    assert [len(p) for p in slow.cut(long_word)] == [600, 600, 100]
    assert slow.cut("각" * 201) == ["각" * 200, "각"]


def test_hangul_is_taken_apart():
    letters = slow.normalised("시발 ㅅㅂ")
    assert [chr(code) for code in letters] == list(" \u1109\u1175\u1107\u1161\u11af \u1109\u1107 ")
    assert slow.normalised("SOOOO, what?!") == slow.normalised("soo what")


def test_highest_quarter_decides():
    found = classifier.Passages(
        np.zeros(9, np.int64),
        np.array(
            [[0.1, 0.9], [0.1, 0.1], [0.1, 0.1], [0.1, 0.1], [0.8, 0.1], [0.6, 0.1], [0.1, 0.1], [0.1, 0.1], [0.2, 0.1]]
        ),
        np.array([0, 4, 4, 9]),
    )
    assert np.allclose(classifier.document_scores(found), [[0.1, 0.9], [0, 0], [0.7, 0.1]])


@pytest.mark.parametrize("text", MEDICAL)
def test_medical_text_stays(text):
    assert reasons(measured([text], ["ko" if text > "가" else "en"])) == [[]]


@pytest.mark.parametrize("text", COUNTER_SPEECH)
def test_counter_speech_stays(text):
    assert reasons(measured([text], ["ko" if text > "가" else "en"])) == [[]]


@pytest.mark.parametrize("language, text", ABUSE)
def test_abuse_goes(language, text):
    assert "toxic_text" in reasons(measured([text], [language]))[0]
    assert "toxic_text" not in reasons(measured([text], ["fr"]))[0], "a language that has not been learnt is not judged"


@pytest.mark.parametrize("text", ADULT)
def test_adult_text_goes(text):
    assert "nsfw_text" in reasons(measured([text], ["en"]))[0]
    assert reasons(measured([text], ["en"], kind=pa.array(["code"]))) == [[]]


def test_one_bad_sentence_does_not_drop_a_long_article():
    text = PLAIN * 20 + ABUSE[0][1] + ". " + PLAIN * 20
    assert reasons(measured([text, PLAIN + ABUSE[0][1]], ["en", "en"])) == [[], ["toxic_text"]]


def test_span_is_the_worst_passage():
    text = "é" * 3 + PLAIN * 8 + "\n" + ABUSE[0][1] + "\n" + PLAIN * 8
    start, end = nsfw.span(text, "toxic_text", nsfw.Config())
    assert ABUSE[0][1] in text[start:end]
    assert end - start <= passages.MAX_BYTES
    assert nsfw.span(text, "nsfw_domain", nsfw.Config()) is None
    assert nsfw.span("", "nsfw_text", nsfw.Config()) is None


def test_word_lists(tmp_path):
    file = tmp_path / "words.txt"
    file.write_text("# mine\nfrobnicate\nblue  moon\n\n막말\n", encoding="utf-8")
    config = nsfw.Config(word_lists=(str(file),))
    texts = [
        "They FROBNICATE, frobnicate and frobnicate.",
        "frobnicate " + PLAIN * 3,
        "frobnicated frobnicates frobnicating",
    ]
    table = measured(texts, ["en"] * 3, config)
    assert table["nsfw_n_words"].to_pylist() == [3, 1, 0]
    assert reasons(table, config) == [["nsfw_words"], [], []]
    start, end = nsfw.span(texts[0], "nsfw_words", config)
    assert texts[0][start:end] == "FROBNICATE"
    with pytest.raises(InputError, match="cannot read the list"):
        measured(["a"], ["en"], nsfw.Config(word_lists=(str(tmp_path / "none.txt"),)))


def test_rules_judge_signals_alone():
    signals = {
        "nsfw_score": np.array([0.4, 0.9, np.nan]),
        "nsfw_toxic_score": np.array([None, 0.95, None], dtype=object),
        "nsfw_n_words": np.array([9, 2, 9]),
        "nsfw_word_share": np.array([0.5, 0.5, 0.0]),
        "nsfw_adult_domain": np.array([False, False, True]),
        "nsfw_adult_host": np.array([True, False, False]),
    }
    found = {
        reason: mask.tolist()
        for reason, mask in nsfw.rules(signals, nsfw.Config(max_toxic_score=0.96, host_rules=False))
    }
    assert tuple(found) == nsfw.REASONS
    assert found == {
        "nsfw_domain": [False, False, True],
        "nsfw_words": [True, False, False],
        "nsfw_text": [False, True, False],
        "toxic_text": [False, False, False],
    }


@pytest.mark.parametrize("setting", [{"max_score": 1.5}, {"max_word_share": -1}, {"min_words": 0}])
def test_bad_settings(setting):
    with pytest.raises(ConfigError):
        nsfw.Config(**setting)
