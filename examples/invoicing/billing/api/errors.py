"""Refusals of the services as HTTP answers."""

from typing import Any

from rest_framework import status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from billing.errors import BillingError, WrongStatusError


def handle_exception(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer 409 to a step out of order and 400 to any other refusal."""
    if isinstance(exc, WrongStatusError):
        return Response({"detail": str(exc)}, status=status.HTTP_409_CONFLICT)
    if isinstance(exc, BillingError):
        return Response({"detail": str(exc)}, status=status.HTTP_400_BAD_REQUEST)
    return exception_handler(exc, context)
