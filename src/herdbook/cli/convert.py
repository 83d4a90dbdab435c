"""`herd convert SRC DST --to FORMAT`."""

from __future__ import annotations

from herdbook.cli.arguments import Parser, output_mode, output_options

DESCRIPTION = """\
Writes weights in another format, with their tokenizer, in little memory whatever their size.

SRC   a run folder (its final model), RUN/STAGE, an artifact, `smollm2`, or weights in any of these formats:
      herdbook's, Meta's (consolidated.00.pth ..., params.json), Hugging Face's (config.json, safetensors),
      a GGUF file (quantised ones are read too), llama2.c's
DST   a folder, or for GGUF a name that ends in .gguf; it must not exist yet"""


def main(verb: str, argv: list[str]) -> int:
    parser = Parser(prog="herd convert", description=DESCRIPTION)
    parser.add_argument("source", metavar="SRC", help="weights to read")
    parser.add_argument("target", metavar="DST", help="where to write")
    parser.add_argument("--to", required=True, metavar="FORMAT", help="meta, hf, gguf or herdbook")
    parser.add_argument("--dtype", default=None, help="float32, bfloat16 or float16 (default: as they are stored)")
    parser.add_argument("--shards", type=int, default=1, metavar="N", help="tensor-parallel shards of meta: 1 to 8")
    parser.add_argument("--shard-gb", type=float, default=5.0, metavar="GB", help="largest file of hf (default: 5)")
    parser.add_argument("--overwrite", action="store_true", help="replace DST, once the new one is whole")
    output_options(parser)
    options = parser.parse_args(argv)

    from herdbook.progress import make_sink
    from herdbook.weights.convert import convert, describe

    target = convert(
        options.source,
        options.target,
        options.to,
        dtype=options.dtype,
        n_shards=options.shards,
        shard_gb=options.shard_gb,
        overwrite=options.overwrite,
        sink=make_sink(output_mode(options)),
    )
    if not options.json:
        print(describe(target))
    return 0
