"""The steps of curation that see one document at a time: each file mends, measures or judges (docs/curation.md,
"Engine").

All are pure functions on Arrow tables of documents: equal rows give equal rows, however they are put into batches.
`signals`, from which rules judge, are numpy arrays by column: the measured columns, and those of the documents but for
the text.
"""
