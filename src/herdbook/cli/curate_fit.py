"""`herd curate fit LANGUAGE PATH ...`: thresholds of a language from reference text of it, as tables of a recipe."""

from __future__ import annotations

from herdbook.cli.arguments import Parser


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="herd curate fit",
        description="Fits the heuristic thresholds of a language on good text of it (an encyclopaedia, news) and\n"
        "prints them as TOML for a recipe. At least 100 documents.",
    )
    parser.add_argument("language", help="language code, as lid.176 writes it: ko")
    parser.add_argument("path", nargs="+", help="files or folders of any format that herd curate reads")
    parser.add_argument("--max-documents", type=int, default=5000, help="most documents that are read (default: 5000)")
    options = parser.parse_args(argv)
    from herdbook.config import to_mapping
    from herdbook.curation.heuristics.fit_language import as_toml, fit_language, rounded
    from herdbook.curation.reading import Config, Problems, Source, plan, read

    texts: list[str] = []
    for unit in plan([Source(path=path, name=str(number)) for number, path in enumerate(options.path)]).units:
        for table in read(unit, Config(), Problems()):
            texts += [text for text in table["text"].to_pylist() if text]
            if len(texts) >= options.max_documents:
                break
    fitted = fit_language(texts[: options.max_documents], options.language)
    print(as_toml(options.language, rounded(to_mapping(fitted))), end="")
    return 0
