"""`herd chat`: without a terminal through its standard streams, and on a real pseudo-terminal."""

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from herdbook.errors import InputError
from herdbook.inference.chat_repl import Conversation
from herdbook.weights.native import save_model

CHAT = [sys.executable, "-m", "herdbook.cli.main", "chat"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, chat_transformer, tokenizer):
    folder = tmp_path_factory.mktemp("chat") / "model"
    save_model(folder, chat_transformer, tokenizer)
    return folder


@pytest.fixture
def conversation(chat_model):
    return Conversation(chat_model, io.StringIO(), io.StringIO(), at_terminal=False, max_new_tokens=12)


def test_an_answer_depends_on_what_was_said_before(conversation, chat_model):
    conversation.take("one")
    conversation.take("two")
    first = chat_model.chat("one", max_new_tokens=12)
    messages = [
        {"role": "user", "content": "one"}, {"role": "assistant", "content": first}, {"role": "user", "content": "two"},
    ]  # fmt: skip
    second = chat_model.chat(messages, max_new_tokens=12)
    assert conversation.out.getvalue() == f"{first}\n{second}\n"
    assert second != chat_model.chat("two", max_new_tokens=12)


def test_reset_forgets(conversation, chat_model):
    for line in ("one", "/reset", "two"):
        assert conversation.take(line)
    assert conversation.out.getvalue().endswith(chat_model.chat("two", max_new_tokens=12) + "\n")


def test_system_message(conversation, chat_model):
    conversation.take("/system Be brief.")
    conversation.take("one")
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one"}]
    assert conversation.out.getvalue() == chat_model.chat(messages, max_new_tokens=12) + "\n"
    conversation.take("/system")
    assert conversation.system == ""


def test_quit_help_and_unknown_commands(conversation):
    assert conversation.take("/help")
    assert "/reset" in conversation.notes.getvalue()
    assert conversation.take("/dance")
    assert "no command /dance" in conversation.notes.getvalue()
    assert conversation.take("   ")
    assert conversation.out.getvalue() == ""
    assert not conversation.take("/quit")


def test_a_message_that_does_not_fit_is_an_error(conversation):
    with pytest.raises(InputError, match="leaves room for"):
        conversation.take("x" * 1000)
    assert conversation.turns == []


def test_long_conversations_are_told_once(conversation):
    for _ in range(8):
        conversation.take("a question of some length")
    assert conversation.notes.getvalue().count("only the end of the conversation") == 1


def _run(*arguments, text):
    return subprocess.run([*CHAT, *map(str, arguments)], input=text, capture_output=True, timeout=300)


def test_lines_from_standard_input(folder, chat_model):
    done = _run(folder, "--max-new-tokens", "8", text=b"one\n\n/reset\ntwo \xff\n/quit\nnever\n")
    answers = [chat_model.chat(text, max_new_tokens=8) for text in ("one", "two �")]
    assert (done.returncode, done.stdout.decode()) == (0, "".join(answer + "\n" for answer in answers))
    assert done.stderr.decode() == "(a new conversation)\n"


def test_a_line_that_cannot_be_answered(folder):
    done = _run(folder, "--max-new-tokens", "4", text=b"x" * 2000 + b"\n/reset\none\n")
    assert done.returncode == 2
    assert "line 1: " in done.stderr.decode()
    assert len(done.stdout) > 1


@pytest.mark.parametrize("make", ["nothing", "empty", "file"])
def test_what_is_no_model_is_one_message_and_exit_2(tmp_path, make):
    path = tmp_path / "x"
    if make == "empty":
        path.mkdir()
    if make == "file":
        path.write_text("hello")
    done = _run(path, text=b"one\n")
    assert done.returncode == 2
    assert done.stdout == b""
    assert str(path) in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


class Terminal:
    """`herd chat` on a pseudo-terminal."""

    def __init__(self, *arguments):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(CHAT[0], [*CHAT, *map(str, arguments)])
        self.seen = ""

    def wait_for(self, pattern, seconds=120):
        """Reads until the pattern occurs; returns what came up to and including it."""
        end = time.monotonic() + seconds
        while not (match := re.search(pattern, self.seen)):
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            assert ready, f"{pattern!r} did not come; seen: {self.seen!r}"
            try:
                data = os.read(self.fd, 4096)
            except OSError:  # the other side is closed
                data = b""
            assert data, f"ended before {pattern!r} came; seen: {self.seen!r}"
            self.seen += data.decode("utf-8", "replace")
        before, self.seen = self.seen[: match.end()], self.seen[match.end() :]
        return before

    def type(self, text):
        os.write(self.fd, text.encode())

    def exit_code(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        pytest.fail("herd chat did not end")


def test_at_a_terminal(folder, chat_model):
    terminal = Terminal(folder, "--max-new-tokens", "6")
    assert "context of 256 tokens" in terminal.wait_for("> ")
    terminal.type("hello\n")
    terminal.wait_for("hello\r\n")
    answer = terminal.wait_for("\r\n\r?\n?.*> ")
    assert re.sub(r"\W", "", chat_model.chat("hello", max_new_tokens=6)) in re.sub(r"\W", "", answer)
    terminal.type("\x03")  # at the prompt Ctrl-C does not leave
    terminal.wait_for("Ctrl-D")
    terminal.wait_for("> ")
    terminal.type("\x04")
    assert terminal.exit_code() == 0


def test_ctrl_c_stops_the_answer_and_not_the_program(folder, tmp_path):
    script = tmp_path / "slow.py"
    script.write_text(  # a model that speaks slowly and without end
        "import sys, time\n"
        "from herdbook.inference import engine\n"
        "step = engine.Runner.step\n"
        "def slow(self):\n"
        "    time.sleep(0.05)\n"
        "    return step(self)\n"
        "engine.Runner.step = slow\n"
        "from herdbook.cli.main import main\n"
        "sys.exit(main(['chat', *sys.argv[1:]]))\n"
    )
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, str(script), str(folder), "--max-new-tokens", "150"])
    terminal = Terminal.__new__(Terminal)
    terminal.pid, terminal.fd, terminal.seen = pid, fd, ""
    terminal.wait_for("> ")
    terminal.type("hello\n")
    terminal.wait_for("hello\r\n")
    time.sleep(1.0)
    terminal.type("\x03")
    terminal.wait_for(r"\(stopped\)")
    terminal.wait_for("> ")
    terminal.type("/quit\n")
    assert terminal.exit_code() == 0
