"""The heuristics as a step: the engine's own verdicts on prose, no other kind is judged, batches do not matter."""

import numpy as np
import pyarrow as pa

from herdbook.config import from_mapping
from herdbook.curation import heuristics as engine
from herdbook.curation.documents import Document, to_table
from herdbook.curation.heuristics.judgement import first_reason
from herdbook.curation.steps import heuristics
from herdbook.curation.steps.reference_documentation import reference_documentation
from herdbook.recipe import read_recipe

SENTENCE = "The shepherd opens the gate in the morning, and the herd walks down to the river with the dogs. "
OTHER = "There the animals drink and rest in the shade of old trees that have grown along the bank. "
GOOD = "".join(
    f"{SENTENCE.replace('river', word)}\n{OTHER.replace('bank', word)}\n"
    for word in ("river", "meadow", "valley", "forest", "village")
)
DOCUMENTATION = (
    "function os.path.join(path, *paths)\n\nJoin one or more path segments intelligently. The return value is the "
    "concatenation of path and all members of paths, with exactly one separator to follow each non-empty part.\n"
)


def table(*documents):
    rows = [Document(str(i), t, "s", "", "unknown", kind, language="en") for i, (t, kind) in enumerate(documents)]
    return to_table(rows)


def verdicts(rows, config=None, **more):
    config = config or heuristics.Config()
    measured = heuristics.measure(rows, config)
    plain = [name for name in measured.column_names if not pa.types.is_large_list(measured[name].type)]
    signals = {name: measured[name].to_numpy() for name in plain} | {"kind": rows["kind"].to_numpy()} | more
    return first_reason(heuristics.rules(signals, config), rows.num_rows).tolist()


def test_prose_alone_is_judged():
    short = "Too short."
    rows = table((GOOD, "prose"), (short, "prose"), (short, "code"), (short, "statement"))
    expected = engine.judge([GOOD, short], "en")["reason"].to_pylist()
    assert verdicts(rows) == [*expected, None, None]
    assert expected[1] == "repetition_top_2_gram"


def test_columns_are_those_of_the_engine_in_any_batch():
    rows = table((GOOD, "prose"), ("one\ntwo", "prose"), ("", "prose"))
    whole = heuristics.measure(rows)
    assert whole.column_names == [f"heuristics_{name}" for name in engine.signals([GOOD]).column_names]
    parts = pa.concat_tables([heuristics.measure(rows.slice(i, 1)) for i in range(3)])
    assert whole.combine_chunks().to_pylist() == parts.to_pylist()


def test_llama3_needs_no_lists_afterwards():
    text = "\n".join([SENTENCE * 2] * 6)
    config = heuristics.Config(sets=("llama3",))
    assert verdicts(table((text, "prose"), (GOOD, "prose")), config)[0] == "llama3_repeated_lines"


def test_mathematics_is_exempt():
    rows = table((GOOD + "{ x } stands here.\n", "prose"))
    config = heuristics.Config(sets=("c4",))
    assert verdicts(rows, config) == verdicts(rows, config, maths_share=np.array([0.0])) == ["c4_curly_bracket"]
    assert verdicts(rows, config, maths_share=np.array([0.2])) == [None]


def test_lines_are_removed_from_prose():
    text = "Home\nThe page that follows is a real sentence.[3]\nEnable javascript now please.\nNext | Previous\n"
    rows = table((text, "prose"), (text, "code"))
    config = heuristics.Config(remove_lines=True)
    mended, counts = heuristics.mend(rows, config)
    assert mended["text"].to_pylist() == ["The page that follows is a real sentence.\n", text]
    assert counts == {"lines_removed": 3}
    assert heuristics.mend(rows)[1] == {"lines_removed": 0}
    again, _ = heuristics.mend(mended, config)
    assert again.equals(mended)


def test_reference_documentation_stays():
    rows = table((DOCUMENTATION, "prose"), ("a b c. " * 40, "prose"), ("Join.", "prose"))
    assert verdicts(rows)[0] is not None
    mild = verdicts(rows, reference_documentation())
    assert mild[0] is None
    assert mild[1].startswith("repetition_")
    assert mild[2] == "gopher_too_few_words"


def test_the_quickstart_has_the_thresholds_for_reference_documentation():
    table = read_recipe("quickstart").stages["curate"].settings["heuristics"]
    assert from_mapping(heuristics.Config, table) == reference_documentation()
