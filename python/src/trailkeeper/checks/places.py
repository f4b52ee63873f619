"""The store, a folder or a prefix in a bucket, and the folder of the spool."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from django.core.checks import CheckMessage, Error, Warning

from trailkeeper.conf import ENVIRONMENT_URL, settings

__all__ = ["check_environment", "check_places"]

BUCKETS: Final = frozenset({"s3", "gs", "az"})
#: What a part of a prefix is made of, as the engine has it.
NAME: Final = r"[A-Za-z0-9._=-]+"
SCHEMES: Final = BUCKETS | {"", "file"}


def check_environment() -> Iterator[CheckMessage]:
    """Checks the store that the environment names."""
    if os.environ.get(ENVIRONMENT_URL) == "":
        yield Warning(
            f"The environment has an empty {ENVIRONMENT_URL}, which counts as none: the store is "
            f"{_without_secrets(settings.store_url)}.",
            hint=f"Unset {ENVIRONMENT_URL}, or give it a folder or a bucket.",
            id="trailkeeper.W004",
        )


def check_places() -> Iterator[CheckMessage]:
    """Checks that both folders can be used, and that they are two."""
    reason = _unusable(settings.store_url)
    if reason is not None:
        named = ENVIRONMENT_URL if os.environ.get(ENVIRONMENT_URL) else "TRAILKEEPER['STORE']"
        yield Error(
            f"{named} names the store as {_without_secrets(settings.store_url)}, which {reason}.",
            hint="Give a folder, as a path or as file:///path, or a prefix in a bucket, as "
            "s3://bucket/prefix.",
            id="trailkeeper.E004",
        )
        return
    store, spool = settings.store_path, Path(settings.spool_dir)
    if store is not None:
        yield from _overlap(store.resolve(), spool.resolve())
        # Without a thread of their own, processes write to the spool alone.
        yield from _folder("store", store, is_written=settings["DRAIN"] == "thread")
    yield from _folder("spool", spool, is_written=True)


def _unusable(url: str) -> str | None:
    """Why a store's URL names no place; None if it does."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return f"is no URL ({error})"
    if parts.scheme not in SCHEMES:
        return f"has the scheme {parts.scheme!r}, and this release does not support it"
    if parts.scheme in BUCKETS:
        return _no_bucket(parts)
    if parts.scheme and parts.netloc not in {"", "localhost"}:
        return f"has {parts.netloc.rpartition('@')[2]!r} where a file URL has a host"
    if parts.scheme and not parts.path.strip("/"):
        return "has no path"
    return None


def _no_bucket(parts: SplitResult) -> str | None:
    """Why a URL names no bucket and prefix; None if it does."""
    if "@" in parts.netloc or parts.query or parts.fragment:
        return "has more than a bucket and a prefix: credentials belong into the environment"
    if not re.fullmatch(r"[A-Za-z0-9._-]+", parts.netloc):
        return "names no bucket"
    prefix = parts.path.removeprefix("/").removesuffix("/")
    names = prefix.split("/") if parts.path not in {"", "/"} else []
    if any(name in {"", ".", ".."} or not re.fullmatch(NAME, name) for name in names):
        return "has a prefix with other characters than letters, digits, '-', '_', '.' and '='"
    return None


def _without_secrets(url: str) -> str:
    """The URL without what stands before the host, and without a query."""
    return re.sub(r"(?<=://)[^/]*@", "***@", url.partition("?")[0])


def _overlap(store: Path, spool: Path) -> Iterator[CheckMessage]:
    if spool == store:
        found = f"The store and the spool are the same folder, {store}."
    elif spool.is_relative_to(store):
        found = f"The spool {spool} lies inside the store {store}."
    elif store.is_relative_to(spool):
        found = f"The store {store} lies inside the spool {spool}."
    else:
        return
    yield Error(
        found,
        hint="Leave SPOOL out, and it stands beside the store, or give it a folder of its own.",
        id="trailkeeper.E005",
    )


def _folder(name: str, folder: Path, *, is_written: bool) -> Iterator[CheckMessage]:
    """Checks that a folder is one, or can be made."""
    key = name.upper()
    there = folder.absolute()
    try:
        while not there.exists() and there != there.parent:
            there = there.parent
        is_folder = there.is_dir()
    except OSError:
        # Nothing can be seen from here: a folder above may not be entered.
        is_folder = True
    if not is_folder:
        yield Error(
            f"The {name} {folder} cannot be used: {there} is not a folder.",
            hint=f"Give {key} another place, or move that file away.",
            id="trailkeeper.E006",
        )
    elif is_written and not os.access(there, os.W_OK | os.X_OK):
        what = "be written to" if there == folder.absolute() else f"be made in {there}"
        yield Warning(
            f"The {name} {folder} cannot {what} by the user who runs this check.",
            hint=f"Give the user who runs the application the right to write to it, or give {key} "
            "another place.",
            id="trailkeeper.W005",
        )
