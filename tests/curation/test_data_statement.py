"""The data statement: figures of a corpus by hand, equal for equal figures, in any batches."""

from herdbook.curation.corpus_counts import CorpusCounts
from herdbook.curation.data_statement import LIMITS, statement
from herdbook.curation.documents import Document, to_table

DOCUMENTS = [
    Document("a", "é" * 500_000, "web", "", "MIT", "prose", date="2021-05-01", language="fr"),
    Document("b", "x" * 1_000_000, "web", "", "CC-BY-4.0", "prose", date="2019", language="en"),
    Document("c", "y" * 2_000_000, "co|de", "", "MIT", "code"),
]


def counted(*batches):
    counts = CorpusCounts()
    for batch in batches:
        counts.add(to_table(batch))
    return counts.report()


def test_counts():
    found = counted(DOCUMENTS)
    assert (found["documents"], found["bytes"]) == (3, 4_000_000)
    assert found["licences"] == {
        "MIT": {"documents": 2, "bytes": 3_000_000},
        "CC-BY-4.0": {"documents": 1, "bytes": 1_000_000},
    }
    assert list(found["languages"]) == ["unknown", "en", "fr"]
    assert (found["dates"], found["undated"]) == ({"2019": 1, "2021": 1}, 1)
    assert found == counted(DOCUMENTS[2:], [], DOCUMENTS[:2])


def test_statement():
    report = {
        "train": counted(DOCUMENTS),
        "heldout": counted(DOCUMENTS[:1]),
        "epochs": {"web": 1.5},
        "steps": [
            {"name": "c4", "in": 5, "out": 3, "reasons": {"few": {"web": 1, "code": 1}}, "counts": {"lines": 7}}
        ],
        "settings": {"c4": {"min_sentences": 5}, "seed": 1},
        "limits": ["Pages are from one week."],
    }
    text = statement(report)
    lines = text.split("\n")
    assert "3 training documents, 4.00 MB of text (repeats included), and 1 held-out documents, 1.00 MB." in lines
    assert "| web | 2 | 2.00 | 50.0% | 1.50 |" in lines
    assert "| co/de | 1 | 2.00 | 50.0% | 1.00 |" in lines
    assert "| MIT | 2 | 3.00 | 75.0% |" in lines
    assert "Years: 2019 to 2021; 1 documents without a date." in lines
    assert "| c4 | 5 | 3 | few 2 | lines 7 |" in lines
    assert "- `c4.min_sentences` = `5`" in lines
    assert [line for line in lines if line.startswith("- ")][: len(LIMITS)] == [f"- {limit}" for limit in LIMITS]
    assert "- Pages are from one week." in lines
    assert text == statement(report)


def test_an_empty_corpus_has_a_statement():
    assert "Years: none known; 0 documents without a date." in statement({"train": counted([])})
