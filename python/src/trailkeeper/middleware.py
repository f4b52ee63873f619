"""The middleware: gives every event of a request its context, and records the request itself.

Place it after `AuthenticationMiddleware`. It works in sync and async chains.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from trailkeeper import recording
from trailkeeper.conf import settings
from trailkeeper.layers import Layer, entered, layer, request_items

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
        started = time.perf_counter_ns()
        with entered(Layer(layer(), request=request, items=request_items(request))):
            try:
                response = self.get_response(request)
            except Exception:
                self._record(request, 500, started)
                raise
            self._record(request, response.status_code, started)
        return response

    async def _call_async(self, request: HttpRequest) -> Any:
        started = time.perf_counter_ns()
        with entered(Layer(layer(), request=request, items=request_items(request))):
            try:
                response = await self.get_response(request)
            except Exception:
                self._record(request, 500, started)
                raise
            self._record(request, response.status_code, started)
        return response

    def _record(self, request: HttpRequest, status: int, started: int) -> None:
        """Records the request, with its user as finally known."""
        if not settings["REQUESTS"] or any(p.search(request.path) for p in self.excluded):
            return
        recording.request_served(
            status=status, duration_us=(time.perf_counter_ns() - started) // 1000
        )
