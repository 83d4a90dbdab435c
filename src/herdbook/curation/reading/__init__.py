"""Readers: from files of any size and kind to documents. `plan` cuts sources into units, `read` reads one."""

from herdbook.curation.reading.config import Config
from herdbook.curation.reading.plan import Plan, plan
from herdbook.curation.reading.problems import Problems
from herdbook.curation.reading.read import read
from herdbook.curation.reading.source import Source
from herdbook.curation.reading.unit import File, Unit

__all__ = ["Config", "File", "Plan", "Problems", "Source", "Unit", "plan", "read"]
