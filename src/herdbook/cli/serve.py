"""`herd serve PATH`."""

from __future__ import annotations

from herdbook.cli.arguments import Parser


def main(verb: str, argv: list[str]) -> int:
    parser = Parser(
        prog="herd serve",
        description="Serves a model: an OpenAI-compatible HTTP API at /v1/chat/completions and a chat page at /.",
    )
    parser.add_argument("path", help="a run folder (its final model), RUN/STAGE, weights in any format, or `smollm2`")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8000, help="port (default: 8000)")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, mps")
    parser.add_argument("--max-batch", type=int, default=None, metavar="N", help="answers computed at once at most")
    parser.add_argument(
        "--max-context", type=int, default=None, metavar="N",
        help="longest conversation, in tokens (default: the model's, or what fits into half of the free memory)",
    )  # fmt: skip
    options = parser.parse_args(argv)

    from herdbook.weights.locate import find_weights

    options.path = find_weights(options.path)
    from herdbook.serve import app

    return app.main(options) or 0
