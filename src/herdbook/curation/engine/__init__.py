"""The engine of curation: units are measured one by one, judged together, written as shards. See docs/curation.md."""
