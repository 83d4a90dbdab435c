"""From a docstring to one sentence that says what a thing does, and whether that sentence is fit to be asked about."""

from __future__ import annotations

import re

MIN_WORDS, MAX_WORDS = 3, 20
_SIGNATURE_LINE = re.compile(r"^\s*[\w.]+\s*\(.*\)?[^a-z]*(?:->.*)?$|^\s*[\w.]+\(.*(?:->|--|=>).*$")
_SIGNATURE_THEN_TEXT = re.compile(r"^\s*[\w.]+\s*\([^)]*\)(?:\s*->\s*[^.\n]*?)?\s*(?:--+|:)\s+(?=[A-Za-z])")
_ROLE = re.compile(r":[a-zA-Z:+-]+:`([!~]?)([^`<]*?)(?:\s*<[^`>]*>)?`")
_LINK = re.compile(r"`([^`<]+?)\s*<[^`>]+>`_{1,2}")
_QUOTED = re.compile(r"(`{1,2})([^`]*)\1")
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,2})([A-Za-z_][^*\s]*(?: [^*\s]+)*)\1(?![\w*])")
_SENTENCE_END = re.compile(r"[.!?](?=[\"')]*\s+[A-Z\"'(`<*]|[\"')]*$)")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|cf|vs|resp|incl|approx|no|fig|sec|dr|mr|st)|\b[A-Z])\.$", re.IGNORECASE
)
_UNFIT_START = re.compile(
    r"(?i)(?:internal|private|helper|undocumented|deprecated|todo|xxx|fixme|overrid|see |same as |like |alias|note|"
    r"example|usage|implement(?:s|ation)? |this is (?:an? )?(?:internal|private)|initiali[sz]e self|"
    r"the (?:default|same)|new in|copyright|unit ?test|default |mixin|dummy|obsolete|abstract method|"
    r"derived|subclass|convenience|ditto)"
)
_UNFIT = re.compile(
    r"->|>>>|=>|[{}|\\^~@$#]|::|\.\.\.|https?:|\bself\b|\bXXX\b|__\w+__\b.*__|\(internal|not meant to be|"
    r"should not be used"
)


def _role_text(match: re.Match[str]) -> str:
    """What Sphinx shows: of `~a.b.C` the last part."""
    mark, name = match.groups()
    return name.rpartition(".")[2] if mark == "~" else name


def strip_markup(text: str) -> str:
    """RST roles, links, quotes and emphasis removed; what they mark stays."""
    text = _ROLE.sub(_role_text, text)
    text = _LINK.sub(lambda m: m.group(1), text)
    text = _QUOTED.sub(lambda m: m.group(2), text)
    return _EMPHASIS.sub(lambda m: m.group(2), text)


def first_paragraph(doc: str) -> str:
    """The first paragraph after the signature lines with which many docstrings of C functions begin."""
    lines = doc.expandtabs().strip().splitlines()
    while lines:
        line = lines[0].strip()
        then = _SIGNATURE_THEN_TEXT.match(line)
        if then and len(line) > then.end() + 8:
            lines[0] = line[then.end() :]
            break
        if not line or _SIGNATURE_LINE.match(line) or set(line) <= set("=-~*^ "):
            lines.pop(0)
            continue
        break
    paragraph = []
    for line in lines:
        stripped = line.strip()
        if not stripped or stripped.startswith((">>>", "- ", "* ", ":param", ":return", ".. ", "@")):
            break
        if set(stripped) <= set("=-~^") and len(stripped) > 2:
            break
        paragraph.append(stripped)
    return " ".join(paragraph)


def first_sentence(doc: str) -> str:
    """The first sentence of a docstring as one clean line that ends in a full stop; "" where there is none."""
    text = strip_markup(first_paragraph(doc))
    text = re.sub(r"\s+", " ", text).strip()
    for match in _SENTENCE_END.finditer(text):
        candidate = text[: match.end()]
        if not _ABBREVIATION.search(candidate):
            text = text[: match.end()]
            break
    if text and text[-1] not in ".!?:;,":
        text += "."
    return text[:1].upper() + text[1:] if re.match(r"[a-z]+ ", text) else text


def summary(doc: str | None, short: str) -> str | None:
    """The sentence by which the object called `short` is known, or None where the docstring has no fit one.

    Fit: 3 to 20 words, plain ASCII text that begins with a capital letter and ends a sentence; not a signature, a
    pointer to somewhere else, or a note among developers.
    """
    if not doc:
        return None
    text = first_sentence(doc)
    words = text.split()
    if not MIN_WORDS <= len(words) <= MAX_WORDS or not text.isascii() or not text.isprintable():
        return None
    if not text[0].isupper() or text[-1] not in ".!?" or _UNFIT_START.match(text) or _UNFIT.search(text):
        return None
    letters = sum(c.isalpha() or c == " " for c in text)
    if letters < 0.85 * len(text) or text.count("(") != text.count(")") or text.count('"') % 2:
        return None
    if re.match(rf"{re.escape(short)}\s*\(", text) or re.match(r"[\w.]+\(", text):
        return None
    return text
