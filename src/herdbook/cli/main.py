"""`herd VERB ...`: finds the verb, runs it, and turns errors into one message and an exit status.

Exit status: 0 done; 1 the work failed or the machine is too small; 2 a mistake of the user; 130 interrupted.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (before any import that an older Python could not read)
    sys.stderr.write(
        "herd: Python 3.11 or later is needed, this is {}.{}. On Debian or Ubuntu: sudo apt install python3.11 "
        "python3.11-venv\n".format(*sys.version_info[:2])
    )
    sys.exit(2)

import importlib
import os
import signal

VERBS = {
    "run": ("run", "run a recipe: what is missing, resuming what was interrupted"),
    "chat": ("chat", "talk to a model"),
    "serve": ("serve", "an OpenAI-compatible HTTP API and a chat page for a model"),
    "convert": ("convert", "weights into another format: Meta's, Hugging Face's, GGUF"),
    "verify": ("verify", "check weights: whose they are, and whether they are whole"),
    "lineage": ("lineage", "the pedigree of an artifact, and whether every byte is as it was made"),
    "clean": ("clean", "list (and delete) what no recipe refers to any more"),
    "collect": ("stage", "stage: gather text and facts from this machine and from folders"),
    "questions": ("stage", "stage: questions, statements and dialogs about facts"),
    "label": ("stage", "stage: a model's judgement of a sample of documents, measured against known labels"),
    "quality": ("stage", "stage: a classifier of text quality, from positives of yours or from a model's labels"),
    "curate": ("curate", "stage: filter, deduplicate and mix documents; inspect ID, fit LANGUAGE"),
    "curation_report": ("stage", "stage: one HTML page and one JSON file about a corpus"),
    "tokenizer": ("tokenizer", "train, extend and compare tokenizers; encode text with one"),
    "tokenize": ("stage", "stage: text to token shards"),
    "pretrain": ("stage", "stage: train a base model"),
    "sft": ("stage", "stage: supervised fine-tuning on dialogs"),
    "reward": ("stage", "stage: a reward model from preference pairs"),
    "reject": ("stage", "stage: rejection sampling, the best answers fine-tuned on"),
    "ppo": ("stage", "stage: proximal policy optimisation"),
    "dpo": ("stage", "stage: direct preference optimisation"),
    "control": ("stage", "stage: the same budget spent on more fine-tuning, to compare with"),
    "eval": ("stage", "stage: measure models side by side"),
    "report": ("stage", "stage: one HTML page and one JSON file about everything"),
}


def usage() -> str:
    """The text of `herd --help`."""
    width = max(map(len, VERBS)) + 2
    lines = [f"  {verb.ljust(width)}{text}" for verb, (_, text) in VERBS.items()]
    return "\n".join([
        "usage: herd VERB ...      herd VERB --help explains a verb",
        "",
        "herdbook raises Llama 3 models, from raw text to a chat model. To begin: herd run quickstart",
        "",
        *lines,
        "",
        "  --version, --help",
    ])  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """The entry point of `herd`. Returns the exit status."""
    argv = sys.argv[1:] if arguments is None else arguments
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if argv[0] in ("-V", "--version"):
        from herdbook import __version__

        print(f"herdbook {__version__}")
        return 0
    verb = argv[0]
    if verb not in VERBS:
        from herdbook.config import nearest

        hint = nearest(verb, VERBS)
        advice = f"Did you mean `{hint}`?" if hint else "See herd --help."
        print(f"herd: there is no verb `{verb}`. {advice}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"herdbook.cli.{VERBS[verb][0]}")
    return guarded(lambda: int(module.main(verb, argv[1:]) or 0))


def guarded(work):  # type: ignore[no-untyped-def]
    """Runs a verb: errors of this package become a message and their exit status, Ctrl-C and SIGTERM 130."""
    from herdbook.errors import HerdbookError, translate

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        status = work()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("\nherd: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, for instance `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except HerdbookError as error:
        return report(error)
    except (OSError, MemoryError) as error:
        known = translate(error)
        if known is None:
            raise
        return report(known)


def report(error):  # type: ignore[no-untyped-def]
    """Prints an error for the user and returns its exit status."""
    print(f"herd: {error}", file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
