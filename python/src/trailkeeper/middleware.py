"""The middleware: gives every event of a request its context, and records the request itself.

Place it after `AuthenticationMiddleware`. It works in sync and async chains. What a streaming
response does while it is sent has the context of its request too, and the request is recorded when
it has been sent.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.utils.functional import SimpleLazyObject

from trailkeeper import recording
from trailkeeper.conf import settings
from trailkeeper.failure import logger, optional
from trailkeeper.layers import Layer, entered, layer
from trailkeeper.origin import request_items

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

__all__ = ["TrailkeeperMiddleware"]


class TrailkeeperMiddleware:
    """Django middleware; see the module.

    Args:
        get_response: the rest of the chain, sync or async.
    """

    sync_capable = True
    async_capable = True

    def __init__(
        self,
        get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
    ) -> None:
        self.get_response: Callable[[HttpRequest], Any] = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)
        self.excluded = [re.compile(pattern) for pattern in settings["EXCLUDE_PATHS"]]

    def __call__(self, request: HttpRequest) -> Any:
        if self.is_async:
            return self._call_async(request)
        served = self._served(request)
        with entered(served.layer):
            try:
                response = self.get_response(request)
            except BaseException as error:
                served.fail(error)
                raise
            served.answer(response)
        return response

    async def _call_async(self, request: HttpRequest) -> Any:
        served = self._served(request)
        with entered(served.layer):
            try:
                response = await self.get_response(request)
            except BaseException as error:
                served.fail(error)
                raise
            if served.is_open:
                await _load_user(request)
            served.answer(response)
        return response

    def _served(self, request: HttpRequest) -> Served:
        items = optional(lambda: request_items(request), name="the origin") or {}
        is_excluded = any(pattern.search(request.path) for pattern in self.excluded)
        return Served(
            Layer(layer(), request=request, items=items),
            is_recorded=settings["REQUESTS"] and not is_excluded,
        )


class Served:
    """A request from its first middleware until its response has been sent; recorded once.

    Args:
        layer: the request's.
        is_recorded: whether the request becomes an event of its own.
    """

    def __init__(self, layer: Layer, *, is_recorded: bool) -> None:
        self.layer = layer
        self.is_open = is_recorded
        self.is_broken = False
        self.started = time.perf_counter_ns()

    def answer(self, response: HttpResponseBase) -> None:
        """Records the request with the status of its response, when that has been sent."""
        if response.streaming:
            self._follow(response)
        else:
            self._record(response.status_code)

    def fail(self, error: BaseException) -> None:
        """Records a request without a response; one that was given up has no status either."""
        self._record(500 if isinstance(error, Exception) else None)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """The layer of the request, for a part of its response."""
        with entered(self.layer):
            try:
                yield
            except (StopIteration, StopAsyncIteration):
                raise
            except BaseException:
                self.is_broken = True
                raise

    def _record(self, status: int | None) -> None:
        """Records the request, with its user as finally known."""
        if not self.is_open:
            return
        self.is_open = False
        duration = (time.perf_counter_ns() - self.started) // 1000
        recording.request_served(
            status=status, duration_us=duration, is_broken=self.is_broken or status is None
        )

    def _follow(self, response: Any) -> None:
        """Lets a response be sent inside the layer, and records its request at the end of that."""
        close = response.close

        def closed() -> None:
            try:
                close()
            finally:
                with entered(self.layer):
                    self._record(response.status_code)

        response.close = closed
        # A file is sent by the server itself, and runs no code of the application.
        if getattr(response, "file_to_stream", None) is None:
            chunks = response.streaming_content
            is_async = response.is_async
            response.streaming_content = (
                _AsyncChunks(chunks, self) if is_async else _Chunks(chunks, self)
            )


class _Chunks:
    """The chunks of a streaming response, each made inside the layer of its request."""

    def __init__(self, chunks: Iterator[bytes], served: Served) -> None:
        self.chunks = chunks
        self.served = served

    def __iter__(self) -> _Chunks:
        return self

    def __next__(self) -> bytes:
        with self.served.sending():
            return next(self.chunks)


class _AsyncChunks:
    """The same for asynchronous chunks."""

    def __init__(self, chunks: AsyncIterator[bytes], served: Served) -> None:
        self.chunks = chunks
        self.served = served

    def __aiter__(self) -> _AsyncChunks:
        return self

    async def __anext__(self) -> bytes:
        with self.served.sending():
            return await anext(self.chunks)


async def _load_user(request: HttpRequest) -> None:
    """Finds out who has asked while that can be awaited; recording cannot wait for the database."""
    attributes = request.__dict__
    if type(attributes.get("user")) is not SimpleLazyObject:
        return
    if "_cached_user" in attributes or "_acached_user" in attributes:
        return
    try:
        await request.auser()
    except Exception as error:
        logger.warning("trailkeeper could not find out the user of a request: %r", error)
