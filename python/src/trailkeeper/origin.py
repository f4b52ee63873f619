"""Where a request comes from: address, session, and the ids that join it with other services.

Everything here was sent by somebody else. Ids are taken only in the form that they must have, so
that a client cannot write into what they are joined with: logs and other trails.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings as django_settings

from trailkeeper.conf import settings
from trailkeeper.failure import optional
from trailkeeper.proxies import client_address

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["hash_session", "is_request_id", "request_items", "trace_id_of"]

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")
#: W3C Trace Context, section 3.2: version, trace id, parent id, flags; later versions may add more.
_TRACEPARENT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-[0-9a-f]{2}"
    r"(?P<more>-.*)?"
)


def request_items(request: HttpRequest) -> dict[str, Any]:
    """The columns that a request gives: method, path, address, agent, session and ids."""
    headers = request.headers
    session = request.COOKIES.get(django_settings.SESSION_COOKIE_NAME)
    return {
        "request_id": _request_id(request),
        "trace_id": trace_id_of(headers.get("traceparent", "")),
        "session": hash_session(session) if session else None,
        "ip": optional(lambda: _address_of(request), name="the address"),
        "user_agent": headers.get("User-Agent"),
        "http_method": request.method,
        "http_path": request.path,
    }


def hash_session(key: str) -> str:
    """The session as events name it: it tells sessions apart and opens none."""
    return hashlib.sha256(b"trailkeeper session " + key.encode()).hexdigest()[:32]


def is_request_id(text: str) -> bool:
    """Whether a text may stand as the id of a request: short, and of harmless characters."""
    return _REQUEST_ID.fullmatch(text) is not None


def trace_id_of(traceparent: str) -> str | None:
    """The trace id of a `traceparent` header; None if the header is not as W3C says."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None or match["version"] == "ff" or (match["version"] == "00" and match["more"]):
        return None
    if not match["trace"].strip("0") or not match["parent"].strip("0"):
        return None
    return match["trace"]


def _request_id(request: HttpRequest) -> str:
    name = settings["REQUEST_ID_HEADER"]
    given = request.headers.get(name, "") if name else ""
    return given if is_request_id(given) else os.urandom(8).hex()


def _address_of(request: HttpRequest) -> str | None:
    name = settings["PROXY_HEADER"]
    return client_address(
        request.META.get("REMOTE_ADDR") or "",
        request.headers.get(name, ""),
        is_forwarded=name.lower() == "forwarded",
        proxies=settings.proxies,
    )
