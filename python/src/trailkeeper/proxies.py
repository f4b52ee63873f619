"""The address that a request comes from, behind proxies that the project trusts.

Anybody can send `X-Forwarded-For`. So the header counts only as far as trusted proxies have written
it: its addresses are read from right to left, and the first one that is no trusted proxy's is the
client's. What an untrusted peer sends is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

__all__ = ["UNIX", "Proxies", "client_address"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: In `TRUSTED_PROXIES`: a proxy that connects by a Unix socket, and has no address.
UNIX: Final = "unix"

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
#: One pair of a `Forwarded` element (RFC 7239, section 4).
_PAIR: Final = re.compile(rf'\s*({_TOKEN})=({_TOKEN}|"(?:[^"\\]|\\.)*")\s*')
#: An address as proxies write it: with a port or without, IPv6 in brackets or bare.
_NODE: Final = re.compile(r"(?:\[([0-9A-Fa-f:.%\w]+)\](?::\d{1,5})?|([0-9.]+)(?::\d{1,5})?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """The proxies in front of the application.

    Args:
        count: how many there are, where only their number is known.
        networks: their addresses, where these are known.
        trusts_unix: whether a peer without an address is one of them.
    """

    count: int = 0
    networks: tuple[Network, ...] = ()
    trusts_unix: bool = False

    @classmethod
    def of(cls, setting: int | Iterable[str]) -> Proxies:
        """Reads the setting `TRUSTED_PROXIES`.

        Raises:
            TypeError: if an item is not a text.
            ValueError: if it is neither a network nor `unix`.
        """
        if isinstance(setting, int):
            return cls(count=setting)
        items = list(setting)
        for item in items:
            if not isinstance(item, str):
                raise TypeError("it is not a text")
        return cls(
            networks=tuple(ip_network(item) for item in items if item != UNIX),
            trusts_unix=UNIX in items,
        )

    def __bool__(self) -> bool:
        return bool(self.count or self.networks or self.trusts_unix)

    def has(self, peer: str) -> bool:
        """Whether the peer of a connection is one of the networks' proxies."""
        if not peer:
            return self.trusts_unix
        address = _address(peer)
        return address is not None and self._trusts(address)

    def _trusts(self, address: Address) -> bool:
        return any(
            address in network for network in self.networks if network.version == address.version
        )

    def client_of(self, peer: str, hops: Iterable[str]) -> str | None:
        """The client's address.

        Args:
            peer: who has connected to this server; empty for a Unix socket.
            hops: what the header says, from right to left.

        Returns:
            The address as text; None if a trusted proxy does not say, or not by an address.
        """
        if self.count:
            return self._counted(peer, hops)
        if not self.has(peer):
            return peer or None
        last: str | None = peer or None
        for hop in hops:
            address = _address(hop)
            if address is None:
                return None
            last = str(address)
            if not self._trusts(address):
                break
        return last

    def _counted(self, peer: str, hops: Iterable[str]) -> str | None:
        last: str | None = peer or None
        for _, hop in zip(range(self.count), hops, strict=False):
            address = _address(hop)
            if address is None:
                return None
            last = str(address)
        return last


def client_address(peer: str, header: str, *, is_forwarded: bool, proxies: Proxies) -> str | None:
    """The address that a request comes from.

    Args:
        peer: `REMOTE_ADDR`; empty for a Unix socket.
        header: the header in which proxies tell the address; empty if there is none.
        is_forwarded: whether it is written as `Forwarded` (RFC 7239), not as a list of addresses.
        proxies: whom to believe.
    """
    if not proxies:
        return peer or None
    elements = (element.strip() for element in reversed(header.split(",")) if header)
    hops = (_forwarded_for(e) for e in elements) if is_forwarded else elements
    return proxies.client_of(peer, hops)


def _forwarded_for(element: str) -> str:
    """The `for` of one element; empty if it has none, or is not written as RFC 7239 says.

    Elements are split at every comma, also inside quotes: what a client has sent, with a quote that
    it left open, cannot swallow what the proxy has appended.
    """
    found = ""
    for name, value in _pairs(element):
        if name.lower() == "for":
            if found:
                return ""
            found = value
    return found


def _pairs(element: str) -> Iterator[tuple[str, str]]:
    pairs = []
    for part in element.split(";"):
        match = _PAIR.fullmatch(part)
        if match is None:
            return
        name, value = match.groups()
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        pairs.append((name, value))
    yield from pairs


def _address(text: Any) -> Address | None:
    """The address that a node is named by; None if it is named otherwise."""
    match = _NODE.fullmatch(text)
    try:
        address = ip_address(match[1] or match[2] if match else text)
    except ValueError:
        return None
    # A socket of both families gives IPv4 peers in this form.
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped
