"""Work on many things at once by threads of this process: what is left when the units are measured is kernels,
decompression and questions to DuckDB, which let other threads run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Results of `work` in the order of `items`. At most `threads` + 1 of them are under way or waiting to be taken, so
    memory is bounded; one thread means none beside the caller's. The first error ends it and is raised."""
    if threads <= 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="herdbook") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def behind(work: Callable[[Item], object], items: Iterable[Item], threads: int) -> None:
    """Does `work` on one item after the other while the next is made; at most two are there at once. One thread means
    none beside the caller's. The first error ends it and is raised."""
    if threads <= 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="herdbook-behind") as pool:
        under_way: Future[object] | None = None
        for item in items:
            if under_way is not None:
                under_way.result()
            under_way = pool.submit(work, item)
        if under_way is not None:
            under_way.result()


def together(threads: int, *works: Callable[[], Any]) -> list[Any]:
    """Results of functions that run at once, each in a thread of its own, or one after the other where `threads` is 1.
    All have ended when this returns; the error of the first in order that failed is raised."""
    if threads <= 1:
        return [work() for work in works]
    with ThreadPoolExecutor(len(works), thread_name_prefix="herdbook-part") as pool:
        return [future.result() for future in [pool.submit(work) for work in works]]
