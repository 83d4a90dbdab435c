"""trafilatura in a process of its own, so that a page that takes too long, too much memory or brings it down costs no
more than its time limit."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection
from types import TracebackType


def _work(pipe: Connection) -> None:
    """Answers pages with (text, CPU seconds) until the pipe is closed."""
    import logging

    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    pipe.send("ready")
    while True:
        try:
            page = pipe.recv()
        except EOFError:
            return
        began = time.process_time()
        try:
            text, problem = trafilatura.extract(page, include_comments=False, fast=True) or "", ""
        except Exception as error:  # whatever a hostile page brings about
            text, problem = "", f"trafilatura: {type(error).__name__}"
        pipe.send((text, problem, time.process_time() - began))


class SecondOpinion:
    """A process that extracts one page at a time. Use it in a `with` block; it starts with the first page."""

    def __init__(self) -> None:
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self.cpu_seconds = 0.0
        """What the pages have cost so far."""
        self.n_pages = 0

    def __enter__(self) -> SecondOpinion:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def start(self) -> Connection:
        """Starts the process where it does not run; it imports trafilatura, which takes a second."""
        if self._pipe is not None and self._process is not None and self._process.is_alive():
            return self._pipe
        self._stop()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe = ours
        if not ours.poll(600):  # a busy machine takes long to import it
            self._stop()
            raise TimeoutError("trafilatura did not start")
        ours.recv()
        return ours

    def _stop(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def extract(self, page: str, seconds: float) -> tuple[str, str]:
        """(text, ""), or ("", why not): "time_limit", "stopped" where the process died, or trafilatura's error."""
        try:
            pipe = self.start()
            pipe.send(page)
            if not pipe.poll(seconds):
                self._stop()
                return "", "time_limit"
            text, problem, spent = pipe.recv()
        except (EOFError, OSError):
            self._stop()
            return "", "stopped"
        self.cpu_seconds += spent
        self.n_pages += 1
        return text, problem
