"""Licences by their names, in texts, by policy; opt-out and block lists."""

import gzip
import json
from itertools import islice

import pyarrow as pa
import pytest
import slow_licence
from hypothesis import example, given
from hypothesis import strategies as st

from herdbook.curation.documents import Document, to_table
from herdbook.curation.steps import block_list, licence, opt_out
from herdbook.curation.steps.licence_names import PUBLIC_DOMAIN, allows, spdx
from herdbook.curation.steps.rows import matching
from herdbook.errors import ConfigError, InputError

PIECES = st.sampled_from(
    ["SPDX-License-Identifier: MIT\n", "SPDX-", "creativecommons.org/", "licenses/by-sa/4.0/", "publicdomain/zero/",
     "Licensed", "RELEASED", "available", "un", "der", "under", "\u00a0", " ", "\t", "\n", "\v",
     " the terms of", " the MIT License", " a secret licence", "Permission is hereby granted", "permission to use",
     ", free of charge, to any person obtaining",
     ", copy, modify, and/or distribute this software", "Redistribution and use in source", " and binary forms",
     "neither the name", "word " * 500, "public domain", "put into the ", "is in the ", "x" * 61, "\u017f", "\u212a",
     "\u0130", "\u0131", "\u00e9", "licen\u017fed under the GPL", "\u20ac"]
)  # fmt: skip
REAL = ("text/enwiki-2015/enwiki-2015", "text/kowiki/kowiki-2023", "code/permissive-mix/code")
TEXTS = st.lists(st.lists(PIECES, max_size=12).map("".join), min_size=1, max_size=4)


def check(texts):
    column = pa.array(texts, pa.large_string())
    assert licence.candidates(column).tolist() == matching(column, licence._CANDIDATE, ignore_case=True).tolist()
    assert [licence.detect(text) for text in texts] == [slow_licence.detect(text) for text in texts]


@given(TEXTS)
@example(["un", "der the terms of", "publ", "ic domain"])
@example(["\u017fpdx-license and PUBLIC DOMA\u0130N and di\u017ftributed under the GPL version 2"])
@example(["released under or licensed under the terms of the MIT License"])
def test_same_as_the_expressions(texts):
    check(texts)


@pytest.mark.parametrize("name", REAL)
def test_real_text(test_data, name):
    with gzip.open(test_data / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        check([json.loads(line)["text"] for line in islice(lines, 200)])


def test_part_of_a_table():
    column = pa.array(["public domain " * 9, "none", "licensed under", "x"], pa.large_string())
    assert licence.candidates(column.slice(1, 2)).tolist() == [False, True]


@pytest.mark.parametrize(
    "declared, expected",
    [
        ("MIT", "MIT"),
        ("mit license", "MIT"),
        ("Apache 2.0 License", "Apache-2.0"),
        ("Apache-2.0 OR BSD-2-Clause", "Apache-2.0 OR BSD-2-Clause"),
        ("BSD-2-Clause AND Apache-2.0 WITH LLVM-exception", "BSD-2-Clause AND Apache-2.0 WITH LLVM-exception"),
        ("(MIT OR Apache 2.0) AND Zlib", "(MIT OR Apache-2.0) AND Zlib"),
        ("3-Clause BSD License", "BSD-3-Clause"),
        ("The BSD 2-Clause License", "BSD-2-Clause"),
        ("BSD", "BSD-3-Clause"),
        ("GNU General Public License v3 or later (GPLv3+)", "GPL-3.0-or-later"),
        ("GNU Lesser General Public License v2.1", "LGPL-2.1-only"),
        ("AGPLv3", "AGPL-3.0-only"),
        ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
        ("Creative Commons Attribution-ShareAlike 3.0", "CC-BY-SA-3.0"),
        ("cc-by-nc-sa-4.0", "CC-BY-NC-SA-4.0"),
        ("CC BY 4.0", "CC-BY-4.0"),
        ("CC0", "CC0-1.0"),
        ("public domain", PUBLIC_DOMAIN),
        ("unknown", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
        ("see LICENSE file", "unknown"),
        ("this OR that", "unknown"),
    ],
)
def test_declared(declared, expected):
    assert spdx(declared) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("// SPDX-License-Identifier: GPL-2.0-or-later\nint x;\n", "GPL-2.0-or-later"),
        ("/* SPDX-License-Identifier: MIT */\n", "MIT"),
        ("<a href='https://creativecommons.org/licenses/by-sa/4.0/'>", "CC-BY-SA-4.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("# Licensed under the Apache License, Version 2.0 (the License);\n", "Apache-2.0"),
        ("This text is available under the Creative Commons\nAttribution-ShareAlike License 4.0; more", "CC-BY-SA"),
        ("you can redistribute it under the terms of the GNU General\n# Public License version 3\n", "GPL-3.0-only"),
        ("Permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"),
        ("This work has been released into the public domain by its author.", PUBLIC_DOMAIN),
        ("The GPL was written by Richard Stallman and MIT is a university.", "unknown"),
        ("It became available under the counter in 1990.", "unknown"),
    ],
)
def test_detected(text, expected):
    found = licence.detect(text)
    assert found == expected or found.startswith(expected + "-")
    measured = licence.measure(to_table([Document("a", text, "s", "", "unknown", "prose")]))
    assert measured["licence_spdx"][0].as_py() == found
    assert measured["licence_origin"][0].as_py() == ("none" if expected == "unknown" else "text")


def test_declared_goes_before_the_text():
    row = Document("a", "SPDX-License-Identifier: MIT", "s", "", "Apache 2.0", "code")
    measured = licence.measure(to_table([row]))
    assert measured.to_pylist() == [{"licence_spdx": "Apache-2.0", "licence_origin": "declared"}]
    assert licence.labelled(to_table([row]), measured)["license"].to_pylist() == ["Apache-2.0"]


@pytest.mark.parametrize(
    "expression, expected",
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("MIT AND (GPL-3.0-only OR Apache-2.0)", True),
        ("(MIT AND GPL-3.0-only) OR Zlib", False),
        ("Apache-2.0 WITH LLVM-exception AND MIT", True),
        ("MIT AND", False),
        ("MIT MIT", False),
        ("", False),
    ],
)
def test_expressions(expression, expected):
    assert allows(expression, {"MIT", "Apache-2.0"}) == expected


def test_policy():
    signals = {"licence_spdx": ["MIT", "unknown", "CC-BY-SA-4.0", "MIT AND unknown"]}
    for policy, dropped in (
        (("any",), [False, False, False, False]),
        (("known",), [False, True, False, True]),
        (("permissive",), [False, True, True, True]),
        (("CC BY-SA 4.0",), [True, True, False, True]),
        (("permissive", "CC-BY-SA-4.0"), [False, True, False, True]),
    ):
        [(reason, mask)] = licence.rules(signals, licence.Config(policy=policy))
        assert (reason, mask.tolist()) == ("licence_not_allowed", dropped)
    with pytest.raises(ConfigError, match="no licence"):
        licence.Config(policy=("permisive",))


LIST = """# comment
example.org          # a host
https://www.news.test/politics/
*.ads.example
blog.example/~ann
document-17
"""


@pytest.mark.parametrize(
    "url, domain, address",
    [
        ("http://example.org/a", True, False),
        ("https://deep.www.EXAMPLE.org:8080", True, False),
        ("https://notexample.org/", False, False),
        ("https://news.test/politics/today?x=1#top", False, True),
        ("https://news.test/politicsology", False, False),
        ("https://news.test/", False, False),
        ("https://x.ads.example/a", True, False),
        ("http://blog.example/~ann/2", False, True),
        (None, False, False),
    ],
)
def test_lists(url, domain, address):
    listed = block_list.entries(LIST.splitlines())
    table = to_table([Document("a", "t", "s", "", "unknown", "prose", url=url)])
    found = block_list.found_in(table, listed)
    assert (found["domain"].tolist(), found["url"].tolist()) == ([domain], [address])
    assert opt_out.measure(table, None, listed)["opt_out_listed"].to_pylist() == [domain or address]


def test_files_of_the_user(tmp_path):
    (tmp_path / "list").write_text(LIST)
    rows = [Document(i, "t", "s", "", "unknown", "prose") for i in ("document-17", "document-1")]
    measured = block_list.measure(to_table(rows), block_list.Config(files=(str(tmp_path / "list"),)))
    signals = {name: measured[name].to_numpy(zero_copy_only=False) for name in measured.column_names}
    broken = {reason: mask.tolist() for reason, mask in block_list.rules(signals, block_list.Config())}
    nobody = [False, False]
    assert broken == {"blocked_domain": nobody, "blocked_url": nobody, "blocked_id": [True, False]}
    with pytest.raises(InputError, match="cannot read the list"):
        block_list.read((str(tmp_path / "none"),))


@pytest.mark.parametrize(
    "meta, expected",
    [
        ('{"robots": "noindex, NoAI"}', True),
        ('{"robots": "index"}', False),
        ('{"tdm-reservation": 1}', True),
        ('{"tdm-reservation": "0"}', False),
        ('{"title": "noai"}', False),
        ("noai", False),
    ],
)
def test_pages_say_so(meta, expected):
    measured = opt_out.measure(to_table([Document("a", "t", "s", "", "unknown", "prose", meta=meta)]))
    assert measured["opt_out_page"].to_pylist() == [expected]
