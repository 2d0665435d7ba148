"""Header blocks of RFC 7541 written by hand, for what no encoder would write."""
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

INDEXED = (0x80, 7)
INCREMENTAL = (0x40, 6)
WITHOUT_INDEXING = (0x00, 4)
NEVER_INDEXED = (0x10, 4)
SIZE_UPDATE = (0x20, 5)

METHOD_GET, METHOD_POST, PATH_ROOT, SCHEME_HTTP, SCHEME_HTTPS = (bytes([0x80 | index]) for index in (2, 3, 4, 6, 7))
AUTHORITY, PATH, COOKIE, USER_AGENT = 1, 4, 32, 58  # in the static table
FIRST_DYNAMIC = 62
TABLE_SIZE = 4096  # SETTINGS_HEADER_TABLE_SIZE until somebody says another


def integer(value, pattern=(0, 8)):
    """Section 5.1. pattern: the bits before it, and how many are left for it."""
    bits, prefix = pattern
    most = (1 << prefix) - 1
    if value < most:
        return bytes([bits | value])
    octets = [bits | most]
    value -= most
    while value >= 128:
        octets.append(value % 128 + 128)
        value //= 128
    return bytes(octets + [value])


def string(octets, huffman=False):
    """Section 5.2."""
    if not huffman:
        return integer(len(octets), (0, 7)) + octets
    coded = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(octets)
    return integer(len(coded), (0x80, 7)) + coded


def huffman_string(octets, tail):
    """A string by Huffman's code with these bits behind it, instead of the ones that fill up the last octet."""
    bits = "".join(f"{REQUEST_CODES[octet]:0{REQUEST_CODES_LENGTH[octet]}b}" for octet in octets) + tail
    coded = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return integer(len(coded), (0x80, 7)) + coded


def indexed(index):
    return integer(index, INDEXED)


def literal(name, value, kind=WITHOUT_INDEXING, huffman=False):
    """name: octets, or an index."""
    if isinstance(name, int):
        return integer(name, kind) + string(value, huffman)
    return integer(0, kind) + string(name, huffman) + string(value, huffman)


def size_update(size):
    return integer(size, SIZE_UPDATE)


def get(path=b"/block", authority=b"api.test"):
    """A request that leaves the dynamic table alone."""
    return METHOD_GET + SCHEME_HTTPS + literal(AUTHORITY, authority) + literal(PATH, path)
