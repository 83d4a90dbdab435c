"""From docstrings to sentences fit to be asked about."""

import pytest

from herdbook.curation.summary import first_sentence, strip_markup, summary


@pytest.mark.parametrize(
    "doc, expected",
    [
        ("Return the square root of x.", "Return the square root of x."),
        (
            "S.casefold() -> str\n\nReturn a version of S suitable for comparisons.",
            "Return a version of S suitable for comparisons.",
        ),
        ("join(a, *p) -> str -- Join one or more path components.", "Join one or more path components."),
        ("Copy a file\nto another place. More text.", "Copy a file to another place."),
        ("Use e.g. a list, i.e. [1]. Second.", "Use e.g. a list, i.e. [1]."),
        ("Return :class:`~pathlib.Path` of ``name`` or `None`.", "Return Path of name or None."),
        ("=====\nTitle here\n=====\n", "Title here."),
    ],
)
def test_first_sentence(doc: str, expected: str) -> None:
    assert first_sentence(doc) == expected


def test_markup() -> None:
    assert (
        strip_markup("See :meth:`a.b <c>` and *this* in `docs <https://x.y>`_, a*b*c")
        == "See a.b and this in docs, a*b*c"
    )


@pytest.mark.parametrize(
    "doc",
    [
        None,
        "",
        "Short one.",
        "foo(a, b)",
        "Internal helper that nobody should call.",
        "See the other function for all details.",
        "Returns a -> b for every item given.",
        "Return the following list of values:",
        " ".join(["word"] * 21) + ".",
        "Zurückgeben der Wurzel von x.",
    ],
)
def test_unfit(doc: str | None) -> None:
    assert summary(doc, "foo") is None


def test_fit() -> None:
    assert summary("Return the number of items in a container.", "len") == "Return the number of items in a container."
