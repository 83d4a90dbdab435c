"""`herd chat PATH`: a conversation at the terminal, or lines from standard input answered one by one."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from herdbook.errors import HerdbookError, Interrupted
from herdbook.inference.chat_model import ChatModel, load
from herdbook.inference.conversation import Message
from herdbook.model.transformer import num_params

HELP = """\
/reset         forget the conversation
/system TEXT   a system message from now on; without TEXT, none
/help          this list
/quit          leave (so does Ctrl-D)
Ctrl-C stops an answer. Everything else is a message to the model."""


class Conversation:
    """What was said so far, and the commands."""

    def __init__(
        self, chat_model: ChatModel, out: TextIO, notes: TextIO, *, system: str = "", at_terminal: bool, **sampling: Any
    ) -> None:
        self.chat_model, self.out, self.notes, self.system = chat_model, out, notes, system
        self.at_terminal = at_terminal
        self.sampling = sampling
        self.turns: list[Message] = []
        self._told_dropped = False

    def take(self, line: str) -> bool:
        """Handles one line, a command or a message; False when it asks to leave."""
        line = line.strip()
        if not line:
            return True
        if line.startswith("/"):
            return self._command(line)
        self.answer(line)
        return True

    def answer(self, text: str) -> None:
        """Streams the answer to a message.

        At a terminal, Ctrl-C ends the answer early, and what was said until then stays in the conversation;
        elsewhere it raises Interrupted.
        """
        messages = [*self._system_message(), *self.turns, {"role": "user", "content": text}]
        prompt = self.chat_model.prompt(messages, self.chat_model.params(**self.sampling))
        if prompt.n_dropped and not self._told_dropped:
            self._note("(from here on the model sees only the end of the conversation)")
            self._told_dropped = True
        said: list[str] = []
        end = "\n"
        try:
            for piece in self.chat_model.chat(messages, stream=True, **self.sampling):
                said.append(piece)
                self.out.write(piece)
                self.out.flush()
        except KeyboardInterrupt:
            if not self.at_terminal:
                raise Interrupted("Stopped.") from None
            end = "\n(stopped)\n"
        self.out.write(end)
        self.out.flush()
        self.turns += [{"role": "user", "content": text}, {"role": "assistant", "content": "".join(said)}]

    def _system_message(self) -> list[Message]:
        return [{"role": "system", "content": self.system}] if self.system else []

    def _command(self, line: str) -> bool:
        name, _, rest = line[1:].partition(" ")
        match name:
            case "quit" | "exit":
                return False
            case "reset":
                self.turns.clear()
                self._told_dropped = False
                self._note("(a new conversation)")
            case "system":
                self.system = rest.strip()
                self._note("(system message set)" if self.system else "(no system message)")
            case "help":
                self._note(HELP)
            case _:
                self._note(f"There is no command /{name}.\n{HELP}")
        return True

    def _note(self, text: str) -> None:
        self.notes.write(text + "\n")
        self.notes.flush()


def main(args: argparse.Namespace) -> int:
    """Runs `herd chat`. `args`: path and optionally temperature, top_p, top_k, max_new_tokens, seed, system, device.

    Returns the exit code: 0, or 2 where a line from standard input could not be answered. Raises InputError where path
    is no model.
    """
    chosen = {key: getattr(args, key, None) for key in ("temperature", "top_p", "top_k", "max_new_tokens", "seed")}
    sampling = {key: value for key, value in chosen.items() if value is not None}
    chat_model = load(Path(args.path), device=getattr(args, "device", None) or "cpu")
    chat_model.params(**sampling)  # a bad setting is told before the first question
    system = getattr(args, "system", None) or ""
    for stream in (sys.stdin, sys.stdout):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, _terminate)
    if sys.stdin.isatty():
        return _talk(Conversation(chat_model, sys.stdout, sys.stdout, system=system, at_terminal=True, **sampling))
    conversation = Conversation(chat_model, sys.stdout, sys.stderr, system=system, at_terminal=False, **sampling)
    return _answer_lines(conversation, sys.stdin)


def _terminate(number: int, frame: object) -> None:
    """SIGTERM ends the program, where Ctrl-C would only end the answer."""
    raise Interrupted("Stopped.")


def _talk(conversation: Conversation) -> int:
    """The loop at a terminal."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (line editing and recall in input())
    chat_model = conversation.chat_model
    print(
        f"{chat_model.name}: {num_params(chat_model.model) / 1e6:,.1f}M parameters, context of "
        f"{chat_model.engine.max_seq_len} tokens. /help lists the commands."
    )
    for line in _terminal_lines():
        try:
            if not conversation.take(line):
                break
        except Interrupted:
            raise
        except HerdbookError as error:
            print(error)
    return 0


def _terminal_lines() -> Iterator[str]:
    """Lines as they are typed, until Ctrl-D. Ctrl-C throws the line away."""
    while True:
        try:
            yield input("\n> ")
        except KeyboardInterrupt:
            print("\n(Ctrl-D or /quit leaves)")
        except EOFError:
            print()
            return


def _answer_lines(conversation: Conversation, lines: TextIO) -> int:
    """The loop without a terminal: one conversation, one answer a line; notes and errors go to standard error."""
    exit_code = 0
    for number, line in enumerate(lines, 1):
        try:
            if not conversation.take(line):
                break
        except Interrupted:
            raise
        except HerdbookError as error:
            print(f"line {number}: {error}", file=sys.stderr)
            exit_code = error.exit_code
    return exit_code

