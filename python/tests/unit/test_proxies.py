"""Whose address a request has, behind proxies; and ids that others have sent."""

import pytest

from trailkeeper.origin import is_request_id, trace_id_of
from trailkeeper.proxies import Proxies, client_address

CLIENT = "203.0.113.9"


def of(peer, header, trusted, *, is_forwarded=False):
    return client_address(peer, header, is_forwarded=is_forwarded, proxies=Proxies.of(trusted))


@pytest.mark.parametrize(
    ("peer", "header", "trusted", "expected"),
    [
        # Nobody is trusted: the header is not read.
        ("10.0.0.1", CLIENT, [], "10.0.0.1"),
        ("10.0.0.1", CLIENT, 0, "10.0.0.1"),
        ("", CLIENT, [], None),
        # The peer is not the proxy.
        ("198.51.100.7", CLIENT, ["10.0.0.0/8"], "198.51.100.7"),
        ("fe80::1", CLIENT, ["10.0.0.0/8"], "fe80::1"),
        # One proxy, two proxies; what the client has claimed stands further left.
        ("10.0.0.1", CLIENT, ["10.0.0.0/8"], CLIENT),
        ("10.0.0.1", f"1.1.1.1, {CLIENT}", ["10.0.0.0/8"], CLIENT),
        ("10.0.0.1", f"10.9.9.9, {CLIENT}, 10.0.0.2", ["10.0.0.0/8"], CLIENT),
        ("10.0.0.1", f"{CLIENT},,10.0.0.2", ["10.0.0.0/8"], None),
        ("::1", f"{CLIENT}, 2001:db8::5", ["::1", "2001:db8::/32"], CLIENT),
        # Proxies all the way: the request comes from the farthest of them.
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", ["10.0.0.0/8"], "10.0.0.3"),
        ("10.0.0.1", "", ["10.0.0.0/8"], "10.0.0.1"),
        # As proxies write them.
        ("10.0.0.1", f"{CLIENT}:4711", ["10.0.0.0/8"], CLIENT),
        ("10.0.0.1", "[2001:db8::9]:4711", ["10.0.0.0/8"], "2001:db8::9"),
        ("10.0.0.1", "2001:DB8:0::9", ["10.0.0.0/8"], "2001:db8::9"),
        ("::ffff:10.0.0.1", CLIENT, ["10.0.0.0/8"], CLIENT),
        ("10.0.0.1", f"{CLIENT}, ::ffff:10.0.0.2", ["10.0.0.0/8"], CLIENT),
        # A trusted proxy that does not know: neither do we.
        ("10.0.0.1", "unknown", ["10.0.0.0/8"], None),
        ("10.0.0.1", f"{CLIENT}, <script>", ["10.0.0.0/8"], None),
        ("10.0.0.1", "1.2.3.4.5", ["10.0.0.0/8"], None),
        # Behind a Unix socket.
        ("", CLIENT, ["unix"], CLIENT),
        ("", CLIENT, ["10.0.0.0/8"], None),
        ("10.0.0.1", CLIENT, ["unix"], "10.0.0.1"),
        # Only their number is known.
        ("10.0.0.1", f"1.1.1.1, {CLIENT}", 1, CLIENT),
        ("10.0.0.1", f"1.1.1.1, {CLIENT}, 10.0.0.2", 2, CLIENT),
        ("", f"1.1.1.1, {CLIENT}", 1, CLIENT),
        ("10.0.0.1", CLIENT, 3, CLIENT),
        ("10.0.0.1", "", 2, "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, nonsense", 1, None),
    ],
)
def test_a_list_of_addresses_is_believed_from_right_to_left(peer, header, trusted, expected):
    assert of(peer, header, trusted) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"for={CLIENT}", CLIENT),
        (f'For="{CLIENT}:4711";proto=https;by=10.0.0.1', CLIENT),
        ('for="[2001:db8::9]:4711"', "2001:db8::9"),
        (f"for=1.1.1.1, for={CLIENT} , for=10.0.0.2", CLIENT),
        # What the client has left open does not swallow what the proxy adds.
        (f'for="1.1.1.1, for={CLIENT}', CLIENT),
        (f'for="1.1.1.1\\", for={CLIENT}', CLIENT),
        # Not an address, not one, or not well-formed.
        ("for=unknown", None),
        ("for=_hidden", None),
        ("proto=https", None),
        (f"for={CLIENT};for=1.1.1.1", None),
        (f"for={CLIENT};;", None),
        (f'for="{CLIENT}', None),
        (CLIENT, None),
        ("", "10.0.0.1"),
    ],
)
def test_forwarded_is_read_as_its_standard_says(header, expected):
    assert of("10.0.0.1", header, ["10.0.0.0/8"], is_forwarded=True) == expected


@pytest.mark.parametrize("item", ["10.0.0.0/40", "proxy.example", "10.0.0.1/8", ""])
def test_what_is_no_network_is_refused(item):
    with pytest.raises(ValueError, match=r".+"):
        Proxies.of([item])


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"00-{TRACE}-00f067aa0ba902b7-ff", TRACE),
        # A later version may say more.
        (f"cc-{TRACE}-00f067aa0ba902b7-01-what-else", TRACE),
        (f"cc-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"cc-{TRACE}-00f067aa0ba902b7-01.more", None),
        (f"00-{TRACE}-00f067aa0ba902b7-01-more", None),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE[1:]}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-00f067aa0ba902b7-01\n", None),
        (f"00-{TRACE}-00f067aa0ba902b7-01,00-{TRACE}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-00f067aa0ba902b7", None),
        ("", None),
    ],
)
def test_a_traceparent_is_read_strictly(header, expected):
    assert trace_id_of(header) == expected


@pytest.mark.parametrize("text", ["r-1", "a" * 128, "7c1e:2/3+x=@_y.z", "Root=1-67891233-abc"])
def test_ids_of_requests(text):
    assert is_request_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "a" * 129, "-r", "a b", "a\n", "a\nb", "<x>", 'a"', "a;b", "a,b", "\u00e9", "\u0661"],
)
def test_what_is_no_id_of_a_request(text):
    assert not is_request_id(text)
