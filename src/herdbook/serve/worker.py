"""The thread that owns the engine: what all connections ask for is decoded together, each gets its pieces."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from herdbook.errors import HerdbookError, translate
from herdbook.inference.engine import Engine, TextStream
from herdbook.inference.runner import Runner
from herdbook.inference.sampling import SamplingParams
from herdbook.inference.sequence import FinishReason, Sequence


@dataclass(frozen=True)
class Piece:
    """Something new about one answer of a job."""

    index: int
    """Which of the n answers."""
    text: str
    n_tokens: int
    """Tokens of this answer so far, a stop token included."""
    finish_reason: FinishReason | None


@dataclass(eq=False)
class Job:
    """A request on its way through the worker."""

    prompt: list[int]
    params: SamplingParams
    loop: asyncio.AbstractEventLoop
    pieces: asyncio.Queue[Piece | HerdbookError] = field(default_factory=asyncio.Queue)
    dropped: set[int] = field(default_factory=set)
    """Answers that the caller has given up."""
    cancelled: bool = False
    answers: dict[int, tuple[Sequence, TextStream]] = field(default_factory=dict)
    """Answers still on their way, by index; the worker's own."""

    def send(self, what: Piece | HerdbookError) -> None:
        """Hands something to the event loop that waits for it (which may be gone by now)."""
        try:
            self.loop.call_soon_threadsafe(self.pieces.put_nowait, what)
        except RuntimeError:
            self.cancelled = True


class Worker:
    """Runs jobs in one thread until `stop`."""

    def __init__(self, engine: Engine, max_batch: int) -> None:
        self.engine, self.max_batch = engine, max_batch
        self._inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="herdbook-engine", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the step at hand."""
        self._stopping = True
        self._inbox.put(None)
        self._thread.join(timeout=10)

    async def generate(
        self, prompt: list[int], params: SamplingParams, dropped: set[int]
    ) -> AsyncGenerator[Piece, None]:
        """The pieces of all n answers as they come; each answer's last piece has a finish_reason.

        An answer whose index the caller puts into `dropped` is given up. Leaving the iterator gives up all of
        them. Raises what the engine raised.
        """
        job = Job(prompt, params, asyncio.get_running_loop(), dropped=dropped)
        self._inbox.put(job)
        try:
            ended: set[int] = set()
            while len(ended | dropped) < params.n:
                piece = await job.pieces.get()
                if isinstance(piece, HerdbookError):
                    raise piece
                if piece.finish_reason is not None:
                    ended.add(piece.index)
                if piece.index not in dropped:
                    yield piece
        finally:
            job.cancelled = True

    def _run(self) -> None:
        runner: Runner | None = None
        jobs: list[Job] = []
        while not self._stopping:
            jobs += self._receive(block=not jobs)
            try:
                runner = runner or self.engine.runner(self.max_batch)
                jobs = [job for job in jobs if job.answers or self._begin(runner, job)]
                if jobs:
                    runner.step()
                    jobs = [job for job in jobs if self._advance(runner, job)]
            except Exception as error:  # whatever happened, those who wait must hear of it
                known = translate(error) or HerdbookError(f"the engine failed: {error}")
                for job in jobs:
                    job.send(known)
                runner, jobs = None, []

    def _receive(self, block: bool) -> list[Job]:
        """New jobs; waits for one if there is nothing else to do."""
        new = []
        if block and (job := self._inbox.get()) is not None:
            new.append(job)
        while not self._inbox.empty():
            if (job := self._inbox.get()) is not None:
                new.append(job)
        return new

    def _begin(self, runner: Runner, job: Job) -> bool:
        """Queues a new job with the runner; False where it cannot be done or is no longer wanted."""
        if job.cancelled:
            return False
        try:
            sequences = runner.add(job.prompt, job.params)
        except HerdbookError as error:
            job.send(error)
            return False
        job.answers = {index: (sequence, TextStream(self.engine, sequence)) for index, sequence in enumerate(sequences)}
        return True

    def _advance(self, runner: Runner, job: Job) -> bool:
        """Sends what is new of a job; whether there is more to come."""
        for index, (sequence, stream) in list(job.answers.items()):
            if job.cancelled or index in job.dropped:
                runner.cancel(sequence)
                del job.answers[index]
                continue
            ids, _ = runner.scheduler.so_far(sequence)
            text = stream.push(ids, sequence.finish_reason is not None)
            if text or sequence.finish_reason is not None:
                job.send(Piece(index, text, len(ids), sequence.finish_reason))
            if sequence.finish_reason is not None:
                del job.answers[index]
        return bool(job.answers)
