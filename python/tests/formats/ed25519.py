"""Ed25519 as RFC 8032, section 5.1.7, checks it: enough to read a signature, and slow.

Written from the RFC for the tests, so that they need no library of ours nor anyone's.
It handles no secret.
"""

import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)

# x, y with -x^2 + y^2 = 1 + d x^2 y^2
Point = tuple[int, int]
IDENTITY: Point = (0, 1)


def is_valid(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is that of `message` by the owner of `public_key`."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    owner, nonce = _decode(public_key), _decode(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if owner is None or nonce is None or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    return _multiply(scalar, BASE) == _add(nonce, _multiply(challenge, owner))


def _add(one: Point, other: Point) -> Point:
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2
    x3 = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P)
    y3 = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P)
    return x3 % P, y3 % P


def _multiply(scalar: int, point: Point) -> Point:
    total = IDENTITY
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point = _add(point, point)
        scalar >>= 1
    return total


def _decode(text: bytes) -> Point | None:
    number = int.from_bytes(text, "little")
    y, x_is_odd = number & ((1 << 255) - 1), number >> 255
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * SQRT_OF_MINUS_ONE % P
    if x * x % P != square or (x == 0 and x_is_odd):
        return None
    return (x if x & 1 == x_is_odd else P - x), y


BASE = _decode((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or IDENTITY
