"""Curation: from whatever text there is to documented, deduplicated text that a tokenizer can take."""
