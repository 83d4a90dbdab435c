"""`herd chat PATH`."""

from __future__ import annotations

from herdbook.cli.arguments import Parser


def main(verb: str, argv: list[str]) -> int:
    parser = Parser(
        prog="herd chat",
        description="Talk to a model. Without a terminal, each line of standard input is a question.",
    )
    parser.add_argument("path", help="a run folder (its final model), RUN/STAGE, weights in any format, or `smollm2`")
    parser.add_argument("--system", metavar="TEXT", default=None, help="system message")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 (default): the most likely answer")
    parser.add_argument("--max-new-tokens", type=int, default=256, help="longest answer, in tokens (default: 256)")
    parser.add_argument(
        "--top-p",
        type=float,
        default=None,
        metavar="P",
        help="sample from the likeliest tokens with probability P",
    )
    parser.add_argument("--top-k", type=int, default=None, metavar="K", help="sample from the K likeliest tokens")
    parser.add_argument("--seed", type=int, default=None, help="equal seeds give equal answers (default: 0)")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, mps")
    options = parser.parse_args(argv)

    from herdbook.weights.locate import find_weights

    options.path = find_weights(options.path)
    from herdbook.inference import chat_repl

    return chat_repl.main(options) or 0
