"""Personal data of one document at a time: the slow twin of `steps/personal_data.py`."""

from __future__ import annotations

from herdbook.curation.steps.personal_data_forms import EMAIL, EXAMPLE, FORMS, MASK, Config, find, masked


def clean(text: str, config: Config | None = None) -> tuple[str, str | None, dict[str, int]]:
    """(the text with what is to be masked masked, why the document goes or None, how many of each kind were found)."""
    config = config or Config()
    kinds = [kind for kind in FORMS if kind in config.mask or kind in config.drop]
    findings = find(text, kinds)
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.kind] = counts.get(finding.kind, 0) + 1
    reason = next((f"personal_{kind}" for kind in config.drop if kind in counts), None)
    if reason is None and config.max_findings and len(findings) > config.max_findings:
        reason = "personal_list"
    return masked(text, [finding for finding in findings if finding.kind in config.mask]), reason, counts


def mask_emails(text: str) -> tuple[str, int]:
    """The text with addresses replaced, and how many; addresses of example domains stay."""
    found = [match.group() for match in EMAIL.finditer(text) if not EXAMPLE.search(match.group())]
    return EMAIL.sub(lambda match: match.group() if EXAMPLE.search(match.group()) else MASK, text), len(found)
