"""The report of a corpus: one page and one file of figures; see stage.py."""
