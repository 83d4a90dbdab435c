"""Extraction: from the HTML of a page to its text. `extract(page)` is the whole of it; needs the extra `web`."""

from herdbook.curation.extract.page import Config, Page, extract
from herdbook.curation.extract.second_opinion import SecondOpinion

__all__ = ["extract", "Page", "Config", "SecondOpinion"]
