#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""A second, independent reader of keepfast repositories, written from docs/format.md alone.

For whoever has a repository, a key and no keepfast: it lists, checks and restores snapshots of format version 1. It is
slow, holds the whole index in memory, never writes to the repository and never outside TARGET. Wrapped files (8.5) it
checks, but can not put together: it restores NAME.unwrapped, the innermost stream. "(4.2)" names a section of format.md.

    pip install -r docs/requirements.txt
    python3 docs/reader.py REPO --key-file FILE list
    python3 docs/reader.py REPO --password-file FILE restore SNAPSHOT|latest TARGET
    python3 docs/reader.py REPO --key-file FILE check
    python3 docs/reader.py vectors docs/vectors

Exit code: 0 all is well; 1 damage, or refused; 2 wrong usage; 3 restored, but something is missing (holes are listed).
"""
import argparse, hmac, io, json, os, re, struct, sys, unicodedata
from collections import OrderedDict, namedtuple
from datetime import datetime, timedelta, timezone
from itertools import accumulate

import argon2.low_level as argon2
import cbor2
import zstandard
from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as xchacha_open
from nacl.exceptions import CryptoError

MIB = 1 << 20
U64 = (1 << 64) - 1
SUITE, EPOCH = struct.pack("<H", 1), struct.pack("<H", 0)
DELTA = 1  # the feature's bit, in the masks of packs


class Damage(Exception):
    """An object is not what format.md says: names the object and the fact."""


class Refused(Exception):
    """Nothing is broken, but this reader can not or must not go on."""


class Missing(Exception):
    """A chunk that no readable pack holds."""


# ---- 1. primitives and encodings -------------------------------------------------------------------------------

def H(x):
    return blake3(x).digest()


def KH(key, x):
    return blake3(x, key=key).digest()


def DK(context, x, length=32):
    return blake3(x, derive_key_context=context).digest(length=length)


def unseal(where, key, aad, sealed):
    """`nonce(24) ‖ SEAL(key, nonce, aad, x)` -> x"""
    try:
        return xchacha_open(sealed[24:], aad, sealed[:24], key)
    except (CryptoError, ValueError, TypeError):
        raise Damage(f"{where}: does not open under its key")


def unzstd(where, data, length, prefix=b""):
    """Never produces more than `length + 1` bytes, whatever the frame claims about itself."""
    try:
        base = zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if prefix else None
        decoder = zstandard.ZstdDecompressor(dict_data=base, max_window_size=64 * MIB)
        plain = decoder.stream_reader(io.BytesIO(data)).read(length + 1)
    except zstandard.ZstdError as e:
        raise Damage(f"{where}: zstd: {e}")
    if len(plain) != length:
        raise Damage(f"{where}: zstd gives another length than the {length} bytes announced")
    return plain


def padme(n):
    if n < 2:
        return n
    e = n.bit_length() - 1
    step = 1 << (e - e.bit_length())
    return (n + step - 1) // step * step


def unframe(where, frame):
    """(3, Frame)"""
    if len(frame) < 12:
        raise Damage(f"{where}: frame of {len(frame)} bytes")
    codec, zero, plain, stored = frame[0], frame[1:4], *struct.unpack_from("<II", frame, 4)
    if codec > 1 or any(zero) or plain > 64 * MIB or 12 + stored > len(frame) or len(frame) != padme(12 + stored):
        raise Damage(f"{where}: frame: codec {codec}, plain {plain}, stored {stored} in {len(frame)} bytes")
    if any(frame[12 + stored:]) or (codec == 0 and plain != stored):
        raise Damage(f"{where}: frame: padding or raw length")
    data = frame[12:12 + stored]
    return data if codec == 0 else unzstd(where, data, plain)


Opt = namedtuple("Opt", "spec")  # a field that may be absent


def fits(v, spec):
    """Whether a CBOR value has the shape `spec`: an int = bytes of that length, [x] = any number, (x, y) = these,
    {k: x} = a map. No null, no booleans; negative only where `int` stands."""
    if isinstance(spec, int):
        return type(v) is bytes and len(v) == spec
    if isinstance(spec, list):
        return type(v) is list and all(fits(x, spec[0]) for x in v)
    if type(spec) is tuple:
        return type(v) is list and len(v) == len(spec) and all(map(fits, v, spec))
    if isinstance(spec, dict):
        return type(v) is dict and all(k in spec and type(k) is int for k in v) and all(
            fits(v[k], s.spec if isinstance(s, Opt) else s) if k in v else isinstance(s, Opt) for k, s in spec.items())
    return {"uint": type(v) is int and 0 <= v <= U64, "int": type(v) is int and -(1 << 63) <= v < 1 << 63,
            "bytes": type(v) is bytes, "text": type(v) is str}[spec]


def cbor(where, data, spec):
    """(1) Deterministic CBOR: decoded, of the right shape, and the same bytes when encoded again."""
    try:
        value = cbor2.loads(data)
        same = fits(value, spec) and cbor2.dumps(value, canonical=True) == data
    except Exception as e:  # the decoder's own errors are of many types
        raise Damage(f"{where}: CBOR: {e}")
    if not same:
        raise Damage(f"{where}: CBOR with an unknown, absent or wrong field, or not deterministic")
    return value


class Cursor:
    """Reads integers and columns; every count is held against the bytes that are left before memory is taken."""

    def __init__(self, where, data):
        self.where, self.data, self.at = where, data, 0

    def bad(self, why):
        raise Damage(f"{self.where}: {why} at byte {self.at}")

    def take(self, n):
        if n > len(self.data) - self.at:
            self.bad(f"{n} bytes wanted, {len(self.data) - self.at} left")
        self.at += n
        return self.data[self.at - n:self.at]

    def u(self, width, n=None):
        """One number, or a column of n, little-endian; width in bytes."""
        count = 1 if n is None else n
        column = struct.unpack(f"<{count}" + {1: "B", 2: "H", 4: "I", 8: "Q"}[width], self.take(width * count))
        return column[0] if n is None else column

    def varint(self, low=0, high=U64):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
        if (byte == 0 and shift) or shift > 63 or not low <= value <= high:
            self.bad(f"varint {value} is not in {low}..{high}, or not in shortest form")
        return value

    def varints(self, n, low=0, high=U64):
        if n > len(self.data) - self.at:
            self.bad(f"{n} numbers in {len(self.data) - self.at} bytes")
        return [self.varint(low, high) for _ in range(n)]

    def zigzag(self):
        v = self.varint()
        return (v >> 1) ^ -(v & 1)

    def zigzag_sums(self, n):
        """A column of differences, wrapping at 64 bits: n running sums as u64."""
        sums, last = [], 0
        for _ in range(n):
            last = (last + self.zigzag()) & U64
            sums.append(last)
        return sums

    def string(self, limit):
        return self.take(self.varint(0, limit))

    def strings(self, n, limit):
        """`varint[n], bytes`: all lengths, then all bytes."""
        return [self.take(length) for length in self.varints(n, 0, limit)]

    def end(self):
        if self.at != len(self.data):
            self.bad(f"{len(self.data) - self.at} bytes too many")


def signed(v):
    v &= U64
    return v - (1 << 64) if v >> 63 else v


# ---- 4.4 HPKE (RFC 9180): receiver, mode PSK, export only ------------------------------------------------------

def labeled_extract(suite_id, salt, label, ikm):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite_id + label + ikm, "sha256")


def labeled_expand(suite_id, prk, label, info, length):
    info, out, block = length.to_bytes(2, "big") + b"HPKE-v1" + suite_id + label + info, b"", b""
    for i in range(1, -(-length // 32) + 1):
        block = hmac.digest(prk, block + info + bytes([i]), "sha256")
        out += block
    return out[:length]


def hpke_exporter(secret, enc, info, psk, psk_id):
    """What SetupPSKR gives, as `export(context, length)`: KEM 0x0020 (X25519), KDF 0x0001 (HKDF-SHA256), AEAD 3."""
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03"
    key = X25519PrivateKey.from_private_bytes(secret)
    try:
        dh = key.exchange(X25519PublicKey.from_public_bytes(enc))
    except ValueError:  # all-zero result: enc is a point of small order
        raise Damage("HPKE: bad encapsulated key")
    context = enc + key.public_key().public_bytes_raw()
    shared = labeled_expand(kem, labeled_extract(kem, b"", b"eae_prk", dh), b"shared_secret", context, 32)
    hashes = labeled_extract(suite, b"", b"psk_id_hash", psk_id), labeled_extract(suite, b"", b"info_hash", info)
    secret = labeled_extract(suite, shared, b"secret", psk)
    exporter = labeled_expand(suite, secret, b"exp", b"\x01" + b"".join(hashes), 32)
    return lambda context, length: labeled_expand(suite, exporter, b"sec", context, length)


# ---- 4. keys ---------------------------------------------------------------------------------------------------

class Keys:
    """(4.1) Everything derived from the root secret."""

    def __init__(self, root, repository_id):
        self.root, self.repository_id, self.sessions = root, repository_id, {}
        dk = lambda name, length=32: DK("keepfast 2026 v1 " + name, root + EPOCH, length)
        self.data_id_key, self.tree_id_key = dk("data chunk id"), dk("tree chunk id")
        self.gear_table, self.boundary_key = dk("gear table", 2048), dk("tree boundary")
        self.structure_key, self.psk = dk("structure"), dk("psk")
        self.meta_secret, self.data_secret = dk("meta secret"), dk("data secret")
        self.root_signing_seed = DK("keepfast 2026 v1 root signing", root)
        self.root_public = Ed25519PrivateKey.from_private_bytes(self.root_signing_seed).public_key().public_bytes_raw()
        self.meta_public = X25519PrivateKey.from_private_bytes(self.meta_secret).public_key().public_bytes_raw()
        self.data_public = X25519PrivateKey.from_private_bytes(self.data_secret).public_key().public_bytes_raw()

    def writer_signing_seed(self, writer):
        return DK("keepfast 2026 v1 writer signing", self.root + EPOCH + writer)

    def writer_public(self, writer):
        return Ed25519PrivateKey.from_private_bytes(self.writer_signing_seed(writer)).public_key().public_bytes_raw()

    def chunk_id(self, kind, plain):
        return KH(self.data_id_key if kind == "D" else self.tree_id_key, plain)

    def session_key(self, where, kind, enc, commitment):
        """(4.4) `kind` is the letter D, T or M."""
        if (kind, enc) not in self.sessions:
            info = b"keepfast v1 session" + self.repository_id + SUITE + EPOCH + kind.encode()
            export = hpke_exporter(self.data_secret if kind == "D" else self.meta_secret, enc, info, self.psk,
                                   b"keepfast v1 psk" + self.repository_id)
            self.sessions[kind, enc] = export(b"segment key", 32), export(b"key commitment", 32)
        key, expected = self.sessions[kind, enc]
        if not hmac.compare_digest(expected, commitment):
            raise Damage(f"{where}: the session key does not fit its commitment")
        return key


def verify(where, public_key, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        raise Damage(f"{where}: bad signature")


SLOT = {0: "uint", 1: "uint", 2: "uint", 3: "uint", 4: 32, 5: 32, 6: "uint", 7: "text"}
BUNDLE = {0: "uint", 1: 32, 2: "uint"}
KEY_FILE = "keepfast key file v1\nrepository ([0-9a-f]{32})\nroot ([0-9a-f]{64})\nsecret ([0-9a-f]{64})\n?"


class KeyFile:
    """(4.2) Text of four lines."""

    def __init__(self, text):
        match = re.fullmatch(KEY_FILE, text)
        if not match:
            raise Refused("the key file is not a keepfast key file v1")
        self.repository_id, self.root_public, self.secret = map(bytes.fromhex, match.groups())

    def stretch(self, where, slot):
        return DK("keepfast 2026 v1 key file", self.secret + slot[4], 64) if slot[0] == 2 else None


class Password:
    """(4.2)"""
    repository_id = root_public = None

    def __init__(self, text):
        self.text = unicodedata.normalize("NFC", text).encode()

    def stretch(self, where, slot):
        kind, memory, passes, lanes, salt = (slot[i] for i in range(5))
        if kind != 1:
            return None
        if not (8 << 10 <= memory <= 4 << 20 and 1 <= passes <= 16 and 1 <= lanes <= 16):
            raise Refused(f"{where}: Argon2id with {memory} KiB, {passes} passes, {lanes} lanes is outside the limits")
        return argon2.hash_secret_raw(self.text, salt, passes, memory, lanes, 64, argon2.Type.ID, 0x13)


def open_key_slot(where, raw, credential):
    """(4.2) -> Keys, or None: the slot is not for this credential."""
    o = envelope(where, raw, "K", credential.repository_id)
    slot = cbor(where, o.extension, SLOT)
    if slot[0] not in (1, 2) or len(slot[7].encode()) > 255 or (slot[0] == 2 and slot[1] | slot[2] | slot[3]):
        raise Damage(f"{where}: slot of kind {slot[0]}, or label or parameters")
    both = credential.stretch(where, slot)
    if both is None or not hmac.compare_digest(both[32:], slot[5]):
        return None
    bundle = cbor(where, unseal(where, both[:32], o.header + o.extension, o.body), BUNDLE)
    if (bundle[0], bundle[2]) != (1, 0):
        raise Refused(f"{where}: bundle kind {bundle[0]}, key epoch {bundle[2]}: not known here")
    keys = Keys(bundle[1], o.repository_id)
    if credential.root_public not in (None, keys.root_public):
        raise Refused(f"{where}: opens, but to another root key than the key file pins")
    return keys


# ---- 3. envelope -----------------------------------------------------------------------------------------------

Envelope = namedtuple("Envelope", "header extension body repository_id")
NAMES = {"config": "config/[0-9]{8}", "keys": "keys/[0-9a-f]{64}", "packs": r"packs/([0-9a-f]{2})/\1[0-9a-f]{62}",
         "index": "index/[0-9a-f]{64}", "gen": "gen/[0-9]{12}", "snapshots": "snapshots/[0-9a-f]{64}",
         "log": "log/[0-9a-f]{32}/[0-9]{12}", "sessions": "sessions/[0-9a-f]{32}/[0-9]{12}(-[0-9]{4})?",
         "gc": "gc/[0-9a-f]{32}/[0-9]{12}"}  # (2)
KINDS = {"config": "C", "keys": "K", "index": "I", "gen": "G", "snapshots": "M", "log": "L", "sessions": "S", "gc": "X"}


def check_header(where, h, kinds, total, repository_id):
    """(3) Returns kind letter and extension length; `total` is the object's length."""
    if len(h) != 64 or h[:3] != b"\x89KF" or h[4:8] != b"\r\n\x1a\0" or chr(h[3]) not in kinds:
        raise Damage(f"{where}: does not begin with the magic of kind {kinds}")
    if h[56:] != H(h[:56])[:8]:
        raise Damage(f"{where}: the header's check does not fit")
    version, kind_version, suite, epoch = struct.unpack_from("<4H", h, 8)
    if (version, kind_version, suite, epoch) != (1, 1, 1, 0):
        raise Refused(f"{where}: version {version}, kind version {kind_version}, suite {suite}, key epoch {epoch}: "
                      "not known here")
    if repository_id and h[16:32] != repository_id:
        raise Damage(f"{where}: belongs to repository {h[16:32].hex()}")
    read = struct.unpack_from("<I", h, 32)[0]
    if read & ~(DELTA if h[3] in b"DT" else 0):
        raise Refused(f"{where}: needs features {read:#x}, which this reader does not have here")
    extension, body = struct.unpack_from("<IQ", h, 44)
    if extension > MIB or 64 + extension + body != total or (extension and h[3] not in b"KM"):
        raise Damage(f"{where}: header says 64 + {extension} + {body} bytes, the object has {total}")
    return chr(h[3]), extension


def envelope(where, raw, kinds, repository_id):
    extension = check_header(where, raw[:64], kinds, len(raw), repository_id)[1]
    return Envelope(raw[:64], raw[64:64 + extension], raw[64 + extension:], raw[16:32])


def is_left_over(where, raw, kind, repository_id):
    """(11.3) Whole as an envelope, but of another repository: an `init` that came to nothing has left it."""
    return repository_id not in (None, envelope(where, raw, kind, None).repository_id)


# ---- 6. packs --------------------------------------------------------------------------------------------------

# chunks: [(id, offset in the segment, length)]; edges: [id of a base chunk]
Segment = namedtuple("Segment", "offset stored plain row codec chunks edges")
Pack = namedtuple("Pack", "name kind length session rows table segments")


def pack_name(pack_id):
    return f"packs/{pack_id[:1].hex()}/{pack_id.hex()}"


def parse_table(where, data, rows, end):
    """(6) The directory's table; segments lie in 64..end of the pack."""
    c = Cursor(where, data)
    s, n, edges = c.u(4, 3)
    if s > 1 << 20 or n > 1 << 24:
        c.bad(f"{s} segments, {n} chunks")
    offsets, stored, plain, counts, edge_counts = (c.u(4, s) for _ in range(5))
    row, codec, lengths = c.u(2, s), c.u(1, s), c.u(4, n)
    ids = [c.take(32) for _ in range(n)]
    bases = [c.take(32) for _ in range(edges)]
    c.end()
    if sum(counts) != n or sum(edge_counts) != edges:
        c.bad("chunks or edges do not add up")
    segments, first, floor = [], 0, 64
    for i in range(s):
        if offsets[i] < floor or stored[i] < 40 or offsets[i] + stored[i] > end or plain[i] > 16 * MIB or \
                row[i] >= len(rows):
            c.bad(f"segment {i} lies at {offsets[i]} + {stored[i]}, plain {plain[i]}, key row {row[i]}")
        if codec[i] > 2 or (codec[i] == 2) != (edge_counts[i] > 0):
            c.bad(f"segment {i} has codec {codec[i]}, {edge_counts[i]} edges")
        floor, at, chunks = offsets[i] + stored[i], 0, []
        for j in range(first, first + counts[i]):
            chunks.append((ids[j], at, lengths[j]))
            at += lengths[j]
        first += counts[i]
        if at != plain[i]:
            c.bad(f"the chunks of segment {i} have {at} bytes, the segment {plain[i]}")
        edges, bases = bases[:edge_counts[i]], bases[edge_counts[i]:]
        if len(set(edges)) != len(edges):
            c.bad(f"segment {i} names a base chunk twice")
        segments.append(Segment(offsets[i], stored[i], plain[i], row[i], codec[i], chunks, edges))
    return segments


def split_rows(where, data):
    """(6) Key table: [(key id, enc, commitment)]"""
    rows = [(data[i:i + 16], data[i + 16:i + 48], data[i + 48:i + 80]) for i in range(0, len(data), 80)]
    if not rows or any(H(enc)[:16] != key_id for key_id, enc, _ in rows):
        raise Damage(f"{where}: a key id does not fit its key, or there is none")
    return rows


Footer = namedtuple("Footer", "key_table directory length rows session")


def parse_footer(where, footer):
    keys_at, at, length, n, zero = struct.unpack_from("<QQIHH", footer, 8)
    if footer[:8] != b"\x89KFF\r\n\x1a\0" or footer[56:] != H(footer[:56])[:8] or zero or any(footer[48:56]):
        raise Damage(f"{where}: bad footer")
    if not n or keys_at < 64 or keys_at + 80 * n != at:
        raise Damage(f"{where}: the footer's parts do not fit together")
    return Footer(keys_at, at, length, n, footer[32:48])


def parse_index(where, data):
    """(7) -> {pack name: Pack}"""
    c, packs, last = Cursor(where, data), {}, b""
    for _ in range(c.u(4)):
        pack_id, length, kind, session = c.take(32), c.u(8), chr(c.u(1)), c.take(16)
        rows = split_rows(where, c.take(80 * c.u(2)))
        table = c.take(c.u(4))
        if pack_id <= last or kind not in "DT" or length > 256 * MIB:
            c.bad(f"pack {pack_id.hex()}: order, kind {kind!r} or length {length}")
        segments, last = parse_table(where, table, rows, length - 64 - 80 * len(rows)), pack_id
        packs[pack_name(pack_id)] = Pack(pack_name(pack_id), kind, length, session, rows, table, segments)
    c.end()
    return packs


# ---- 8. tree ---------------------------------------------------------------------------------------------------

FILE, DIRECTORY, SYMLINK, FIFO, CHARACTER, BLOCK, SOCKET = range(1, 8)
TORN, UNREADABLE, BIRTH, LINKED, STREAM, WRAPPED = 1, 2, 8, 16, 32, 64
MARKS = TORN | UNREADABLE | BIRTH | LINKED | STREAM | WRAPPED
SLASH_FIRST, SLASH_BACK = bytes.maketrans(b"/\0", b"\0\1"), bytes.maketrans(b"\0", b"/")  # no name holds NUL


class Entry:
    """One row of a leaf (8.1)."""
    group = target = rdev = None
    xattrs, size, height, items, layers = (), 0, 0, (), ()

    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        self.path = directory + b"/" + name if directory else name


def good_name(name):
    return 0 < len(name) <= 255 and b"/" not in name and b"\0" not in name and name not in (b".", b"..")


def parents(directory):
    """b"a/b" -> b"a", b"a/b"; nothing for the top"""
    parts = directory.split(b"/") if directory else []
    return [b"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def order(directory, name):
    return directory.translate(SLASH_FIRST), name


def good_key(directory, name):
    return all(map(good_name, directory.split(b"/") if directory else ())) and \
        (good_name(name) or not directory and not name)


def read_items(c, counts):
    """For each count a list [(length, id or None for a hole)]: all lengths, then all ids."""
    flat = [(v >> 1, None if v & 1 else c.take(32)) for v in c.varints(sum(counts), 2)]
    return [flat[end - n:end] for n, end in zip(counts, accumulate(counts))]


Layer = namedtuple("Layer", "length height items")  # of its stream; of its recipe (8.5)


def read_layers(c, wrapped):
    """The last columns of a leaf, which are there only for wrapped files."""
    counts = c.varints(len(wrapped), 1, 3)
    lengths = c.varints(sum(counts), 0, (1 << 63) - 1)
    heads = [(c.varint(0, 15), c.varint(1, 32)) for _ in lengths]
    recipes = read_items(c, [n for _, n in heads])
    layers = [Layer(length, head[0], items) for length, head, items in zip(lengths, heads, recipes)]
    for e, n, end in zip(wrapped, counts, accumulate(counts)):
        e.layers = layers[end - n:end]
        if e.type != FILE or any(chunk is None for layer in e.layers for _, chunk in layer.items):
            c.bad(f"{e.path!r}: is wrapped and no file, or a recipe has a hole")


def parse_leaf(where, data):
    """(8.1) -> [Entry]"""
    c = Cursor(where, data)
    if c.u(1):
        c.bad("not a leaf")
    n = c.varint(1, 65535)
    d = c.varint(1, n)
    per_directory, directories = c.varints(d, 1), c.strings(d, MIB)
    names = c.strings(n, 255)
    if sum(per_directory) != n:
        c.bad("the directories' entries do not add up")
    rows = [directory for directory, count in zip(directories, per_directory) for _ in range(count)]
    entries = [Entry(directory, name) for directory, name in zip(rows, names)]
    types, marks = c.u(1, n), c.u(1, n)
    owners = [(c.varint(), c.varint(), c.string(len(data)), c.string(len(data))) for _ in range(c.varint(0, n))]
    rows, modes = c.varints(n), c.varints(n, 0, 0o7777)
    mtimes, mtime_ns = c.zigzag_sums(n), c.varints(n, 0, 10 ** 9 - 1)
    ctimes, ctime_ns = c.zigzag_sums(n), c.varints(n, 0, 10 ** 9 - 1)
    for i, e in enumerate(entries):
        e.type, e.marks, e.mode = types[i], marks[i], modes[i]
        if not FILE <= e.type <= SOCKET or e.marks & ~MARKS or rows[i] >= len(owners):
            c.bad(f"{e.path!r}: type {e.type}, marks {e.marks} or owner {rows[i]}")
        if not good_key(e.directory, e.name) or (e.marks & LINKED if e.type == DIRECTORY else not e.name):
            c.bad(f"{e.path!r}: its name, a top folder that is none, or a folder with a link group")
        e.owner, e.mtime, e.ctime = owners[rows[i]], (signed(mtimes[i]), mtime_ns[i]), (signed(ctimes[i]), ctime_ns[i])
    for e in entries:
        if e.marks & BIRTH:
            e.birth = signed(e.ctime[0] + c.zigzag()), e.ctime[1] + c.zigzag()
            if not 0 <= e.birth[1] < 10 ** 9:
                c.bad(f"{e.path!r}: birth time {e.birth}")
    for e, inode in zip(entries, c.zigzag_sums(n)):
        e.inode = inode
    for e in entries:
        if e.marks & LINKED:
            e.group = c.u(8)
    for e, flags in zip(entries, c.varints(n)):
        e.flags = flags
    for e in entries:
        if e.type in (CHARACTER, BLOCK):
            e.rdev = c.varint(), c.varint()
    links = [e for e in entries if e.type == SYMLINK]
    for e, target in zip(links, c.strings(len(links), 65535)):
        e.target = target
    sets = []
    for _ in range(c.varint(0, n)):
        sets.append([(c.string(255), c.string(16 * MIB)) for _ in range(c.varint(0, len(data)))])
        names = [name for name, _ in sets[-1]]
        if any(a >= b for a, b in zip(names, names[1:])):
            c.bad("xattrs out of order")
    for e, row in zip(entries, c.varints(n, 0, len(sets))):
        e.xattrs = sets[row - 1] if row else ()
    files = [e for e in entries if e.type == FILE]
    for e, size in zip(files, c.varints(len(files), 0, (1 << 63) - 1)):
        e.size = size
    counts = []
    for e in files:
        e.height = c.varint(0, 15)
        counts.append(c.varint(0, 32))
    for e, items in zip(files, read_items(c, counts)):
        e.items = items
        if e.height and any(chunk is None for _, chunk in items):
            c.bad(f"{e.path!r}: a hole above height 0")
    read_layers(c, [e for e in entries if e.marks & WRAPPED])
    for e in files:
        size = e.layers[-1].length if e.layers else e.size
        if sum(length for length, _ in e.items) != size:
            c.bad(f"{e.path!r}: items do not add up to {size}")
    c.end()
    return entries


def parse_inner(where, data):
    """(8.2) -> level, [(directory, name, entries below, bytes below, id)]"""
    c = Cursor(where, data)
    level, n = c.u(1), c.varint(1, 65535)
    if not 1 <= level <= 15 or n > len(data):
        c.bad(f"level {level}, {n} children")
    keys = [(c.string(MIB), c.string(255)) for _ in range(n)]
    if not all(good_key(*key) for key in keys):
        c.bad("a key that no entry can have")
    sums = [(c.varint(), c.varint()) for _ in range(n)]
    children = [(*keys[i], *sums[i], c.take(32)) for i in range(n)]
    c.end()
    return level, children


def parse_list_node(where, data, level):
    """(8.3) -> items"""
    c = Cursor(where, data)
    if c.u(1) != 255 or c.u(1) != level:
        c.bad(f"not a list node of level {level}")
    items = read_items(c, [c.varint(1, 65535)])[0]
    if level and any(chunk is None for _, chunk in items):
        c.bad("a hole above height 0")
    c.end()
    return items


# ---- objects ---------------------------------------------------------------------------------------------------

CONFIG = {**dict.fromkeys((0, 2, 3, 4, 5, 10), "uint"), 1: dict.fromkeys(range(5), "uint"), 9: "text",
          **dict.fromkeys((6, 7, 8), 32)}
GENERATION = {0: "uint", 1: [32], 2: [(16, "uint")], 3: ["uint"]}
SESSION = {0: 16, 1: "uint", 2: 16, 3: "text", 4: "text", 5: "uint", 6: "uint", 7: "text",
           8: Opt("uint")}
COLLECTOR = 1  # the one role that is named; a writer has none
CONDEMN_LIST = {0: 16, 1: "uint", 2: 16, 3: [32], 4: [32]}
LOG = {0: "uint", 1: 16, 2: "uint", 3: Opt(32), 4: "uint", 5: [(16, "uint", 32)], 6: "uint", 7: "uint", 8: Opt(16),
       9: Opt(32), 10: Opt([32]), 11: Opt([32]), 12: Opt([(32, ["text"])])}
LOG_FIELDS = {1: {8, 9, 10}, 2: {8}, 3: {11}, 4: {12}, 5: {8, 10}, 6: {11}}
COMMIT, VOID, FORGET, TAG, COLLECT, UNDELETE = range(1, 7)
MANIFEST = {0: 16, 1: "uint", 2: 16, 3: Opt(32), 4: 32, 5: "uint", 6: ["bytes"], 7: "text", 8: "text", 9: ["text"],
            10: "int", 11: "int", 12: "text", 13: "text", 14: "uint", 15: dict.fromkeys(range(11), "uint"),
            16: [("bytes", "uint", "text")], 17: "uint", 18: "uint", 19: "uint", 20: 32}


class Folder:
    """Where the objects of a repository are, only read."""

    def __init__(self, path):
        self.path = path

    def names(self, prefix):
        """Object names below a prefix, sorted. Files with another name are no objects."""
        walk = os.walk(os.path.join(self.path, prefix))
        found = (os.path.relpath(os.path.join(at, f), self.path) for at, _, files in walk for f in files)
        return sorted(name for name in found if re.fullmatch(NAMES[prefix], name))

    def read(self, name, offset, length):
        """At most `length` bytes from `offset`, and the length of the object."""
        try:
            with open(os.path.join(self.path, name), "rb", buffering=0) as f:
                return os.pread(f.fileno(), length, offset), os.fstat(f.fileno()).st_size
        except OSError as e:
            raise Damage(f"{name}: {e.strerror}")


class Memory(dict):
    """The same for objects at hand: name -> bytes."""

    def names(self, prefix):
        return sorted(name for name in self if name.startswith(prefix + "/"))

    def read(self, name, offset, length):
        return self[name][offset:offset + length], len(self[name])


def belongs(name, place):
    if name != place:
        raise Damage(f"{name}: by its content it is {place}")


class Objects:
    """Decodes every kind of object by its name, held to everything that one object can be held to."""

    def __init__(self, store, keys):
        self.store, self.keys, self.pack_headers, self.segments = store, keys, {}, OrderedDict()

    def read(self, name):
        """(3) A whole object that is no pack. A name that is a hash is that of the content."""
        raw = read_object(self.store, name)
        return envelope(name, raw, KINDS[name.split("/")[0]], self.keys.repository_id)

    def sealed(self, name, key=None):
        """(3) The plain payload of a sealed body (I G L S X M)."""
        o = self.read(name)
        return unframe(name, unseal(name, key or self.keys.structure_key, o.header + o.extension, o.body))

    def key_slot(self, name):
        cbor(name, envelope(name, read_object(self.store, name), "K", None).extension, SLOT)

    def config(self, name):
        """(4.3)"""
        o = self.read(name)
        payload, signature = cbor(name, o.body, ("bytes", 64))
        verify(name, self.keys.root_public, signature, b"keepfast v1 config" + o.header + payload)
        config = cbor(name, payload, CONFIG)
        if (config[6], config[7], config[8]) != (self.keys.root_public, self.keys.meta_public, self.keys.data_public):
            raise Damage(f"{name}: names public keys that do not come from the root secret")
        belongs(name, f"config/{config[10]:08}")
        algorithm, low, average, high, normalization = config[1].values()
        if (algorithm != 1 or not 64 <= low <= average <= high <= 16 * MIB or (low | average | high) & 1
                or normalization > 3 or not all(4096 <= config[i] <= 8 * MIB for i in (2, 3))
                or not MIB <= config[4] <= 256 * MIB or not 8 <= config[5] <= 4096 or config[5] & config[5] - 1):
            raise Damage(f"{name}: parameters outside the limits")
        return config

    def generation(self, name):
        """(7) None, if it is another repository's."""
        if is_left_over(name, read_object(self.store, name), "G", self.keys.repository_id):
            return None
        generation = cbor(name, self.sealed(name), GENERATION)
        belongs(name, f"gen/{generation[0]:012}")
        return generation

    def session(self, name):
        """(10)"""
        session = cbor(name, self.sealed(name), SESSION)
        belongs(name[:54], f"sessions/{session[0].hex()}/{session[1]:012}")  # a renewal has a number behind it
        if session.get(8, COLLECTOR) != COLLECTOR:
            raise Damage(f"{name}: role {session[8]}")
        return session

    def condemn_list(self, name):
        """(10) What a collector is about to delete: of no matter for reading, where only what is visible counts."""
        condemned = cbor(name, self.sealed(name), CONDEMN_LIST)
        belongs(name, f"gc/{condemned[0].hex()}/{condemned[1]:012}")
        if any(ids != sorted(set(ids)) for ids in (condemned[3], condemned[4])):
            raise Damage(f"{name}: its ids do not ascend")
        return condemned

    def slot(self, name):
        """(10)"""
        payload, signature = cbor(name, self.sealed(name), ("bytes", 64))
        slot = cbor(name, payload, LOG)
        belongs(name, f"log/{slot[1].hex()}/{slot[2]:012}")
        message = b"keepfast v1 log" + self.keys.repository_id + payload
        verify(name, self.keys.writer_public(slot[1]), signature, message)
        if {k for k in slot if k > 7} != LOG_FIELDS.get(slot[0]) or (3 in slot) != (slot[2] > 0):
            raise Damage(f"{name}: kind {slot[0]} with fields {sorted(slot)}")
        return slot

    def manifest(self, name):
        """(9)"""
        enc = self.read(name).extension
        if len(enc) != 64:
            raise Damage(f"{name}: extension of {len(enc)} bytes")
        manifest = cbor(name, self.sealed(name, self.keys.session_key(name, "M", enc[:32], enc[32:])), MANIFEST)
        if (manifest[5] > 15 or manifest[17] > 1 or manifest[9] != sorted(manifest[9]) or len(manifest[16]) > 10000
                or any(not 1 <= code <= 5 for _, code, _ in manifest[16])):
            raise Damage(f"{name}: root level {manifest[5]}, partial {manifest[17]}, order of tags, or problems")
        return manifest

    def index(self, name):
        return parse_index(name, self.sealed(name))

    # -- 6

    def pack_header(self, name):
        """Header and length."""
        if name not in self.pack_headers:
            header, total = self.store.read(name, 0, 64)
            check_header(name, header, "DT", total, self.keys.repository_id)
            if not 128 <= total <= 256 * MIB:
                raise Damage(f"{name}: {total} bytes")
            self.pack_headers[name] = header, total
        return self.pack_headers[name]

    def pack_bytes(self, name, offset, length):
        self.pack_header(name)
        data = self.store.read(name, offset, length)[0]
        if len(data) != length:
            raise Damage(f"{name}: ends before {offset} + {length}")
        return data

    def directory(self, name):
        """A pack as its own tail describes it."""
        header, total = self.pack_header(name)
        raw_footer = self.pack_bytes(name, total - 64, 64)
        footer = parse_footer(name, raw_footer)
        if footer.directory + footer.length + 64 != total:
            raise Damage(f"{name}: the footer's parts do not fill the pack")
        key_table = self.pack_bytes(name, footer.key_table, 80 * footer.rows)
        sealed = self.pack_bytes(name, footer.directory, footer.length)
        aad = b"keepfast v1 directory" + header + key_table + raw_footer[:56]
        table, rows = unframe(name, unseal(name, self.keys.structure_key, aad, sealed)), split_rows(name, key_table)
        segments = parse_table(name, table, rows, footer.key_table)
        if any(segment.edges for segment in segments) and not struct.unpack_from("<I", header, 32)[0] & DELTA:
            raise Damage(f"{name}: holds delta segments, and its header does not say so")
        return Pack(name, chr(header[3]), total, footer.session, rows, table, segments)

    def base(self, kind, chunk, steps):
        """A base chunk, from wherever it can be had."""
        raise Refused(f"base chunk {chunk.hex()}: nobody knows where it is")

    def open_segment(self, pack, segment, steps=16):
        """The plaintext of a segment; the last few are kept. `steps`: delta segments that may follow one another (6)."""
        where, place = f"{pack.name}: segment at {segment.offset}", (pack.name, segment.offset)
        if place in self.segments:
            self.segments.move_to_end(place)
            return self.segments[place]
        key_id, enc, commitment = pack.rows[segment.row]
        key = self.keys.session_key(where, pack.kind, enc, commitment)
        if chr(self.pack_header(pack.name)[0][3]) != pack.kind:
            raise Damage(f"{pack.name}: the index says kind {pack.kind}")
        aad = b"keepfast v1 segment" + self.keys.repository_id + pack.kind.encode() + SUITE + key_id
        plain = unseal(where, key, aad, self.pack_bytes(pack.name, segment.offset, segment.stored))
        if segment.codec == 2 and not steps:
            raise Damage(f"{where}: its base chunks lie more than 16 steps deep, or in a circle")
        prefix = b"".join(self.base(pack.kind, chunk, steps - 1) for chunk in segment.edges)
        if len(prefix) > 16 * MIB:
            raise Damage(f"{where}: {len(prefix)} bytes of base chunks")
        if segment.codec > 0:
            plain = unzstd(where, plain, segment.plain, prefix)
        if len(plain) != segment.plain:
            raise Damage(f"{where}: {len(plain)} bytes, not {segment.plain}")
        self.segments[place] = plain
        while len(self.segments) > 16:
            self.segments.popitem(last=False)
        return plain

    def located(self, pack, segment, chunk, at, length, steps=16):
        """(5) A chunk out of its segment, its id recomputed."""
        plain = self.open_segment(pack, segment, steps)[at:at + length]
        if self.keys.chunk_id(pack.kind, plain) != chunk:
            raise Damage(f"{pack.name}: chunk {chunk.hex()} has other content than its id says")
        return plain


def read_object(store, name):
    raw, total = store.read(name, 0, 72 * MIB)
    if total > 72 * MIB:
        raise Damage(f"{name}: larger than 72 MiB")
    if name.split("/")[0] in ("keys", "index", "snapshots") and name[-64:] != H(raw).hex():
        raise Damage(f"{name}: its content has the hash {H(raw).hex()}")
    return raw


# ---- repository ------------------------------------------------------------------------------------------------

class Repository(Objects):
    """An opened repository. What is wrong but does not stop the reader goes to `self.damage`, and to stderr at once."""

    def __init__(self, store, credential):
        self.damage = []
        super().__init__(store, self.unlock(store, credential))
        self.find_config()
        self.log = self.read_log()
        self.snapshots = self.apply_log()
        self.packs = self.visible_packs()
        self.chunks = {}  # (kind, id) -> [(pack, segment, id, offset, length)]
        for pack in self.packs.values():
            for segment in pack.segments:
                for chunk in segment.chunks:
                    self.chunks.setdefault((pack.kind, chunk[0]), []).append((pack, segment, *chunk))

    def base(self, kind, chunk, steps):
        failure = Damage(f"base chunk {chunk.hex()} is in no visible pack")
        for place in self.chunks.get((kind, chunk), []):
            try:
                return self.located(*place, steps)
            except Damage as e:
                failure = e
        raise failure

    def note(self, error):
        if str(error) not in self.damage:
            self.damage.append(str(error))
            print(f"{'refused' if isinstance(error, Refused) else 'damage'}: {error}", file=sys.stderr)

    def attempt(self, call, *args):
        """What `call` gives; None, and a note, if that is damaged or refused."""
        try:
            return call(*args)
        except (Damage, Refused) as e:
            self.note(e)

    def unlock(self, store, credential):
        """(4.2) Through the first slot of this repository that opens."""
        repository_id = credential.repository_id or self.id_in_clear(store)

        def open_slot(name):
            raw = read_object(store, name)
            return None if is_left_over(name, raw, "K", repository_id) else open_key_slot(name, raw, credential)

        slots = store.names("keys")
        for name in slots:
            keys = self.attempt(open_slot, name)
            if keys:
                return keys
        raise Refused(f"none of {len(slots)} key slots opens with this password or key file")

    def id_in_clear(self, store):
        """(4.3) As the header of the highest config object says that is whole, while nothing is verified."""
        for name in reversed(store.names("config")):
            header = store.read(name, 0, 64)[0]
            if len(header) == 64 and header[3] == ord("C") and header[56:] == H(header[:56])[:8]:
                return header[16:32]

    def find_config(self):
        """(4.3) The highest valid generation counts; a damaged one above it is noted. A refused one ends it all."""
        for name in reversed(self.store.names("config")):
            try:
                return self.config(name)
            except Damage as e:
                self.note(e)
        raise Damage("config: no valid config object")

    # -- 10, 9

    def read_log(self):
        """(10) Every slot that opens and fits, in the order in which all apply them. The others count as VOID."""
        hashes = {name: H(self.store.read(name, 0, 72 * MIB)[0]) for name in self.store.names("log")}
        for name in hashes:  # numbered without a gap
            before = f"{name[:-12]}{int(name[-12:]) - 1:012}"
            if int(name[-12:]) and before not in hashes:
                self.note(f"{before}: absent, although a later slot is there")
        slots = [slot for slot in (self.attempt(self.slot, name) for name in hashes) if slot]
        for slot in slots:
            before = [(slot[1], slot[2] - 1, slot[3])] if slot[2] else []
            for writer, n, h in before + slot[5]:
                name = f"log/{writer.hex()}/{n:012}"
                if hashes.get(name) != h:
                    self.note(f"{name}: is not the slot that log/{slot[1].hex()}/{slot[2]:012} saw: lost or replaced")
        return sorted(slots, key=lambda s: (s[4], s[1], s[2]))

    def apply_log(self):
        """Snapshot id -> manifest, oldest first, after all slots; field 9 holds the tags of now. A forgotten snapshot stays
        known: it keeps its tags and its place, and UNDELETE brings it back."""
        known, forgotten, tags = OrderedDict(), set(), {}
        for slot in self.log:
            if slot[0] == COMMIT:
                known[slot[9]] = slot
            elif slot[0] == FORGET:
                forgotten.update(snapshot for snapshot in slot[11] if snapshot in known)
            elif slot[0] == UNDELETE:
                forgotten.difference_update(slot[11])
            tags.update((snapshot, new) for snapshot, new in slot.get(12, ()) if snapshot in known)
        self.commits = OrderedDict((snapshot, slot) for snapshot, slot in known.items() if snapshot not in forgotten)
        snapshots = OrderedDict()
        for snapshot in self.commits:
            manifest = self.attempt(self.committed, snapshot)
            if manifest:
                manifest[9] = tags.get(snapshot, manifest[9])
                snapshots[snapshot] = manifest
        return snapshots

    def committed(self, snapshot):
        manifest, slot = self.manifest(f"snapshots/{snapshot.hex()}"), self.commits[snapshot]
        if [manifest[i] for i in (0, 1, 2)] != [slot[1], slot[2], slot[8]]:
            raise Damage(f"snapshots/{snapshot.hex()}: committed by another writer, sequence or session than it says")
        return manifest

    # -- 7, 6

    def visible_packs(self):
        """(7) Pack name -> Pack. If a generation or index object is lost, the directories of all packs stand in."""
        try:
            generation = next(filter(None, map(self.generation, reversed(self.store.names("gen")))), None)
            if not generation:
                raise Damage("gen: no generation")
            absorbed, wanted = dict(map(tuple, generation[2])), set(generation[1])
            for slot in self.log:
                if slot[0] in (COMMIT, COLLECT) and slot[2] > absorbed.get(slot[1], -1):
                    wanted.update(slot[10])
            packs = {}
            for index in sorted(wanted):
                packs.update(self.index(f"index/{index.hex()}"))
            return packs
        except (Damage, Refused) as e:
            self.note(e)
            print("the index is not whole: reading the directory of every pack instead", file=sys.stderr)
        packs = [self.attempt(self.directory, name) for name in self.store.names("packs")]
        return {pack.name: pack for pack in packs if pack}

    def chunk(self, kind, chunk):
        for place in self.chunks.get((kind, chunk), ()):
            plain = self.attempt(self.located, *place)
            if plain is not None:
                return plain
        raise Missing(f"{'data' if kind == 'D' else 'tree'} chunk {chunk.hex()}")

    # -- 8

    def walk(self, manifest, lost):
        """Every entry of a snapshot in order; `lost(text)` is called for a node that is missing."""
        last = [None]  # the key of the entry before: strictly ascending keys make it impossible to visit one node twice
        others, directory = set(), None
        for entry in self.walk_node(manifest[4], manifest[5], last, lost):
            if entry.directory != directory:  # the order puts every folder's own entry before its contents
                directory = entry.directory
                if any(parent in others for parent in parents(directory)):
                    raise Damage(f"tree: {directory!r} lies below something that is no folder")
            if entry.type != DIRECTORY:
                others.add(entry.path)
            yield entry

    def walk_node(self, node, level, last, lost):
        where = f"tree node {node.hex()}"
        try:
            data = self.chunk("T", node)
        except Missing as e:
            after = "the start" if last[0] is None else repr(last[0][0].translate(SLASH_BACK) + b"/" + last[0][1])
            lost(f"every entry after {after} up to the next one restored ({e})")
            return
        if level == 0:
            for entry in parse_leaf(where, data):
                key = order(entry.directory, entry.name)
                if last[0] is not None and key <= last[0]:
                    raise Damage(f"{where}: {entry.path!r} is out of order")
                last[0] = key
                yield entry
            return
        found, children = parse_inner(where, data)
        if found != level:
            raise Damage(f"{where}: is of level {found}, not {level}")
        for directory, name, entries, size, child in children:
            seen, holes = [0, 0], []
            for entry in self.walk_node(child, level - 1, last, lambda text: (holes.append(text), lost(text))):
                seen = [seen[0] + 1, min(seen[1] + entry.size, U64)]
                yield entry
            if holes:
                last[0] = order(directory, name)
            elif last[0] != order(directory, name) or seen != [entries, size]:
                raise Damage(f"{where}: child {child.hex()} has {seen} entries, bytes, not {[entries, size]}, "
                             "or ends elsewhere")

    def content(self, items, height, lost):
        """The leaves of a content list: (length, id or None for a hole). A lost list node gives (length, False)."""
        for length, chunk in items:
            if height == 0 or chunk is None:
                yield length, chunk
                continue
            try:
                below = parse_list_node(f"list node {chunk.hex()}", self.chunk("T", chunk), height - 1)
                if sum(n for n, _ in below) != length:
                    raise Damage(f"list node {chunk.hex()}: its items do not add up to {length}")
            except Missing as e:
                lost(str(e), length)
                yield length, False
                continue
            yield from self.content(below, height - 1, lost)


# ---- restore ---------------------------------------------------------------------------------------------------

class Restore:
    """Writes one snapshot into an empty folder. It only writes into folders that it made itself, and
    `walk` lets nothing lie below what is no folder, so no link leads outside."""

    def __init__(self, repository, target):
        self.repository, self.target = repository, os.fsencode(target)
        self.holes, self.skipped, self.root = [], {}, os.geteuid() == 0
        self.folders, self.groups = {b""}, {}
        os.makedirs(self.target, exist_ok=True)
        if os.listdir(self.target):
            raise Refused(f"{target}: is not empty")

    def hole(self, path, text):
        self.holes.append((path, text))
        print(f"missing: {os.fsdecode(path)!r}: {text}", file=sys.stderr)

    def skip(self, what):
        self.skipped[what] = self.skipped.get(what, 0) + 1

    def run(self, manifest):
        folders, at = [], [b""]
        for entry in self.repository.walk(manifest, lambda text: self.hole(at[0], text)):
            at[0] = entry.path
            try:
                for parent in parents(entry.directory):  # also one without an entry of its own
                    self.make_folder(parent)
                if entry.type == DIRECTORY:
                    self.make_folder(entry.path)
                    folders.append(entry)
                else:
                    self.make(entry)
            except OSError as e:
                self.hole(entry.path, e.strerror)
        for entry in reversed(folders):  # after their contents: writing into a folder moves its mtime
            if entry.path in self.folders:
                self.metadata(entry, self.at(entry))
        for what, count in sorted(self.skipped.items()):
            print(f"skipped: {what}: {count} entries", file=sys.stderr)

    def at(self, entry):
        return os.path.join(self.target, entry.path) if entry.path else self.target

    def make_folder(self, path):
        if path not in self.folders:
            os.mkdir(os.path.join(self.target, path), 0o700)
            self.folders.add(path)

    def make(self, entry):
        path = self.at(entry)
        if entry.layers:  # to put it together takes preflate-rs, of the version that its recipes name
            self.hole(entry.path, f"is wrapped: {os.fsdecode(entry.name)!r}.unwrapped is what it was made from")
            path += b".unwrapped"
        if entry.group is not None and entry.group in self.groups:
            os.link(self.groups[entry.group], path, follow_symlinks=False)
            return
        if entry.type == FILE:
            self.write(entry, path)
        elif entry.type == SYMLINK:
            os.symlink(entry.target, path)
        elif entry.type == FIFO:
            os.mkfifo(path, 0o600)
        elif entry.type in (CHARACTER, BLOCK) and self.root:
            kind = 0o020000 if entry.type == CHARACTER else 0o060000
            os.mknod(path, kind | 0o600, os.makedev(*entry.rdev))
        else:
            self.skip("socket" if entry.type == SOCKET else "device (needs root)")
            return
        if entry.group is not None:
            self.groups[entry.group] = path
        self.metadata(entry, path)

    def write(self, entry, path):
        if entry.marks & (TORN | UNREADABLE):
            what = "unreadable" if entry.marks & UNREADABLE else "torn"
            print(f"note: {os.fsdecode(entry.path)!r}: was {what} at backup", file=sys.stderr)
        offset = 0
        lost = lambda text, length: self.hole(entry.path, f"bytes {offset}..{offset + length}: {text}")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as f:
            for length, chunk in self.repository.content(entry.items, entry.height, lost):
                if chunk:
                    try:
                        data = self.repository.chunk("D", chunk)
                        if len(data) != length:
                            raise Damage(f"{entry.path!r}: chunk {chunk.hex()} has {len(data)} bytes, not {length}")
                        f.seek(offset)
                        f.write(data)
                    except Missing as e:
                        lost(e, length)
                offset += length
            f.truncate(offset)

    def attempt(self, what, call, *args, **options):
        try:
            call(*args, **options)
        except (OSError, OverflowError):
            self.skip(what)

    def metadata(self, entry, path):
        """Owner first: changing it clears set-id bits and capabilities. Xattrs while it may be written. Times last."""
        (uid, gid), mode = entry.owner[:2], entry.mode
        if self.root:
            self.attempt("owner", os.chown, path, uid, gid, follow_symlinks=False)
        elif (uid, gid) != (os.geteuid(), os.getegid()):
            self.skip("owner (needs root)")
            mode &= 0o1777  # a set-id bit for another owner than the stored one would be a hole
        for name, value in entry.xattrs:
            if self.root or name.startswith(b"user."):
                self.attempt(f"xattr {os.fsdecode(name)!r}", os.setxattr, path, name, value, follow_symlinks=False)
            else:
                self.skip("xattr (needs root)")
        if entry.type != SYMLINK:
            self.attempt("mode", os.chmod, path, mode)
        if entry.flags:
            self.skip("inode flags")
        time = entry.mtime[0] * 10 ** 9 + entry.mtime[1]
        self.attempt("mtime", os.utime, path, ns=(time, time), follow_symlinks=False)


# ---- commands --------------------------------------------------------------------------------------------------

def command_list(repository):
    for snapshot, m in repository.snapshots.items():
        when = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=m[11] // 10 ** 9)
        paths = " ".join(repr(os.fsdecode(p))[1:-1] for p in m[6])
        print(f"{snapshot.hex()[:16]}  {when:%Y-%m-%d %H:%M:%S}  {m[7]}  {m[15][0]} files  {m[15][3]} bytes  "
              f"{paths}  {','.join(m[9])}".rstrip())
    return 0


def command_restore(repository, wanted, target):
    found = [s for s in repository.snapshots if s.hex().startswith(wanted)]
    if wanted == "latest":
        found = list(repository.snapshots)[-1:]
    if len(found) != 1:
        raise Refused(f"{len(found)} snapshots fit {wanted!r}")
    restore = Restore(repository, target)
    restore.run(repository.snapshots[found[0]])
    print(f"restored {found[0].hex()[:16]} to {target}, {len(restore.holes)} holes")
    return 3 if restore.holes else 0


def command_check(repository):
    """Every object, every segment, every chunk, every tree."""
    counts = dict.fromkeys(("objects", "packs", "chunks", "entries"), 0)
    readers = {"index": repository.index, "snapshots": repository.manifest, "config": repository.config,
               "gen": repository.generation, "sessions": repository.session, "keys": repository.key_slot,
               "gc": repository.condemn_list}
    for prefix, reader in readers.items():
        for name in repository.store.names(prefix):
            found = repository.attempt(reader, name)
            counts["objects"] += 1
            if found and prefix == "gc":
                name_condemned(repository, name, found)
    counts["objects"] += len(repository.store.names("log"))
    good = {}  # (kind, id) -> length
    present = repository.store.names("packs")
    for name in present:
        counts["packs"] += 1
        repository.attempt(check_pack, repository, name, good)
    for name in repository.packs.keys() - set(present):
        repository.note(f"{name}: absent, although the index names it")
    for snapshot, manifest in repository.snapshots.items():
        repository.attempt(check_tree, repository, snapshot, manifest, good, counts)
    counts["chunks"] = len(good)
    print(f"{len(repository.snapshots)} snapshots, " + ", ".join(f"{n} {what}" for what, n in counts.items()) +
          f": {f'{len(repository.damage)} damaged' if repository.damage else 'no damage'}")
    return 0


def name_condemned(repository, name, condemned):
    """(11.2) What a collector will delete and is still visible: it is at work, or its work waits to be finished. No
    damage, but whoever repairs something by hand must know that these do not stay."""
    visible = [pack_name(pack) for pack in condemned[3] if pack_name(pack) in repository.packs]
    visible += [f"snapshots/{snapshot.hex()}" for snapshot in condemned[4] if snapshot in repository.commits]
    for what in visible:
        print(f"condemned: {what} is visible, and {name} names it")


def check_pack(repository, name, good):
    digest = H(repository.store.read(name, 0, 256 * MIB + 1)[0])
    if name != pack_name(digest):
        repository.note(f"{name}: its content has the hash {digest.hex()}")
    pack = repository.directory(name)
    # (11.1) A pack that was adopted is another session's in the index.
    if repository.packs.get(name, pack)._replace(session=pack.session) != pack:
        repository.note(f"{name}: the index describes another pack")
    for segment in pack.segments:
        for chunk in segment.chunks:
            if repository.attempt(repository.located, pack, segment, *chunk) is None:
                break
            good[pack.kind, chunk[0]] = chunk[2]


def check_tree(repository, snapshot, manifest, good, counts):
    """The whole tree, and what the manifest says of the packs that its session wrote, as long as its index is there."""
    name = f"snapshots/{snapshot.hex()}"
    damage, totals = len(repository.damage), [0] * 4  # files, directories, others, bytes
    lost = lambda text, _length=0: repository.note(f"{name}: missing: {text}")
    for entry in repository.walk(manifest, lost):
        counts["entries"] += 1
        totals[{FILE: 0, DIRECTORY: 1}.get(entry.type, 2)] += 1
        totals[3] += entry.size
        contents = [(entry.items, entry.height)] + [(layer.items, layer.height) for layer in entry.layers]
        for length, chunk in (item for content in contents for item in repository.content(*content, lost)):
            if chunk and ("D", chunk) not in repository.chunks:
                lost(f"{entry.path!r}: data chunk {chunk.hex()} is in no visible pack")
            elif chunk and good.get(("D", chunk)) != length:
                lost(f"{entry.path!r}: data chunk {chunk.hex()} of {length} bytes is damaged or has another length")
    if damage == len(repository.damage) and totals != [manifest[15][i] for i in range(4)]:
        repository.note(f"{name}: has {totals} files, directories, others, bytes, and says {manifest[15]}")
    indexes = [f"index/{index.hex()}" for index in repository.commits[snapshot][10]]
    if all(index in repository.store.names("index") for index in indexes):
        packs = {name: pack for index in indexes for name, pack in repository.index(index).items()}
        ids = sorted(bytes.fromhex(name[-64:]) for name in packs)
        total = sum(pack.length for pack in packs.values())
        if (len(packs), total, H(b"".join(ids))) != (manifest[18], manifest[19], manifest[20]):
            raise Damage(f"{name}: says {manifest[18]} packs with {manifest[19]} bytes, or others, its index objects "
                         f"{len(packs)} with {total}")


# ---- vectors ---------------------------------------------------------------------------------------------------

class Vectors:
    """Known answers of docs/vectors: what is computed is compared, what was sealed once is opened."""

    def __init__(self, folder):
        self.checked, self.wrong = 0, []
        for name in ("keys", "tree", "pack", "collector"):
            with open(os.path.join(folder, name + ".json"), encoding="utf-8") as f:
                getattr(self, name)(json.load(f))

    def expect(self, what, found, expected):
        self.checked += 1
        if (found.hex() if isinstance(found, bytes) else found) != expected:
            self.wrong.append(what)

    def keys(self, v):
        x = bytes.fromhex
        keys, writer, o = Keys(x(v["root_secret"]), x(v["repository"])), x(v["writer"]), v["objects"]
        known = dict(vars(keys), writer_signing_seed=keys.writer_signing_seed(writer),
                     writer_public=keys.writer_public(writer),
                     data_chunk_id_of_keepfast=keys.chunk_id("D", b"keepfast"),
                     tree_chunk_id_of_keepfast=keys.chunk_id("T", b"keepfast"),
                     padme=[[n, padme(n)] for n, _ in v["derivations"]["padme"]])
        seed = Ed25519PrivateKey.from_private_bytes(keys.root_signing_seed)
        known["root_signature_of_keepfast"] = seed.sign(b"keepfast")
        nonce = KH(DK("keepfast 2026 v1 nonce", keys.structure_key), bytes(32) + b"keepfast")[:24]
        known["hedged_nonce_of_structure_key_zeros_keepfast"] = nonce
        for name, value in v["derivations"].items():
            self.expect(name, known.get(name), value)
        for s in o["session_keys"]:
            row = x(s["row"])
            self.expect("key id", H(row[16:48])[:16], s["row"][:32])
            self.expect("session key", keys.session_key("session key", s["kind"], row[16:48], row[48:]), s["key"])
        for slot, credential in (("password_slot", Password(o["password"])), ("key_file_slot", KeyFile(o["key_file"])),
                                 ("password_slot", Password(unicodedata.normalize("NFD", o["password"])))):
            opened = open_key_slot(slot, x(o[slot]), credential)
            self.expect(slot, opened and opened.root, v["root_secret"])
        self.expect("wrong password", open_key_slot("password_slot", x(o["password_slot"]), Password("x")), None)
        self.objects(keys, writer, o)
        self.expect("frame", unframe("frame", x(o["frame"])), o["frame_plain"])
        self.derived, self.writer = keys, writer  # those of collector.json too

    def objects(self, keys, writer, o):
        """One object of every kind: opens, and holds what it must."""
        snapshot = "snapshots/" + H(bytes.fromhex(o["manifest"])).hex()
        stored = {"config/00000000": o["config"], "gen/000000000300": o["generation"], snapshot: o["manifest"],
                  f"sessions/{writer.hex()}/000000000041": o["session"]}
        stored.update((f"log/{writer.hex()}/{n:012}", slot) for n, slot in enumerate(o["log"]))
        objects = Objects(Memory((name, bytes.fromhex(value)) for name, value in stored.items()), keys)
        self.expect("config", objects.config("config/00000000")[10], 0)
        self.expect("generation", objects.generation("gen/000000000300")[2], [[writer, 70000]])
        self.expect("session", objects.session(f"sessions/{writer.hex()}/000000000041")[1], 41)
        slots = [objects.slot(name) for name in objects.store.names("log")]
        self.expect("log", [slot[0] for slot in slots], [COMMIT, VOID, FORGET, TAG])
        self.expect("manifest", cbor2.dumps(objects.manifest(snapshot), canonical=True), o["manifest_cbor"])

    def collector(self, v):
        """What collectors and undeletes store."""
        session, gc = (f"{folder}/{self.writer.hex()}/000000000042" for folder in ("sessions", "gc"))
        stored = {session: v["session"], gc: v["condemn_list"]}
        stored.update((f"log/{self.writer.hex()}/{4 + n:012}", slot) for n, slot in enumerate(v["log"]))
        objects = Objects(Memory((name, bytes.fromhex(value)) for name, value in stored.items()), self.derived)
        self.expect("role", objects.session(session)[8], COLLECTOR)
        packs, snapshots = [b"\x0c" * 32, b"\x0d" * 32], [b"\5" * 32, b"\6" * 32]
        self.expect("condemn list", [objects.condemn_list(gc)[i] for i in (3, 4)], [packs, snapshots])
        collect, undelete = (objects.slot(name) for name in objects.store.names("log"))
        self.expect("collect", (collect[0], collect[10]), (COLLECT, [b"\4" * 32, b"\x0e" * 32]))
        self.expect("undelete", (undelete[0], undelete[11]), (UNDELETE, snapshots))

    def tree(self, v):
        data = {name: bytes.fromhex(value) for name, value in v.items()}
        leaves = {"leaf with every type": [2, 2, 6, 5, 4, 3, 1, 1, 7, 1, 1], "leaf of a source tree": [1] * 5}
        for name, types in leaves.items():
            entries = parse_leaf(name, data[name])
            self.expect(name, [e.type for e in entries], types)
            keys = [order(e.directory, e.name) for e in entries]
            self.expect(name + ": order", keys, sorted(set(keys)))
        hard = parse_leaf("leaf", data["leaf with every type"])[6]
        self.expect("hard link", (hard.path, hard.group, hard.xattrs[0][1], hard.items[1]),
                    (b"etc/e-hard", 0x0102030405060708, b"\1\0\0\2", (1 << 40, None)))
        level, children = parse_inner("inner node", data["inner node"])
        self.expect("inner node", (level, children[1]), (3, (b"etc/sub", b"large", 300, U64, b"\xbb" * 32)))
        chunks = [(16 * MIB, b"\6" * 32), (5, None), (1, b"\7" * 32)]
        self.expect("list of chunks", parse_list_node("list", data["list node of chunks"], 0), chunks)
        lists = [(1 << 40, b"\x08" * 32), (1, b"\x09" * 32)]
        self.expect("list of lists", parse_list_node("list", data["list node of lists"], 1), lists)

    def pack(self, v):
        data = {name: bytes.fromhex(value) for name, value in v.items()}
        segments = parse_table("directory table", data["directory table"], [0, 1], MIB)
        indexed = [segment for pack in parse_index("index table", data["index table"]).values()
                   for segment in pack.segments]
        for name, found in (("directory table", segments), ("index table", indexed)):
            self.expect(name, [segment.codec for segment in found if segment.edges], [2])
        footer = parse_footer("footer", data["footer"])
        self.expect("footer", footer, (1000, 1160, 500, 2, b"\x09" * 16))
        raw = data["pack of root 01.., repository 02.."]
        name = pack_name(H(raw))
        objects = Objects(Memory({name: raw}), Keys(b"\1" * 32, b"\2" * 16))
        pack = objects.directory(name)
        plain = [objects.located(pack, segment, *chunk) for segment in pack.segments for chunk in segment.chunks]
        text = b"a chunk of text, a chunk of text, a chunk of text", b"and another one, and another one"
        self.expect("pack", plain, list(text))


def command_vectors(folder):
    rfc9180_a_2_2()
    vectors = Vectors(folder)
    print(f"{vectors.checked} values checked, wrong: {', '.join(vectors.wrong) or 'none'}")
    return 1 if vectors.wrong else 0


def rfc9180_a_2_2():
    """The RFC's own vector for this suite and mode PSK (A.2.2)."""
    x = bytes.fromhex
    export = hpke_exporter(x("77d114e0212be51cb1d76fa99dd41cfd4d0166b08caa09074430a6c59ef17879"),
                           x("2261299c3f40a9afc133b969a97f05e95be2c514e54f3de26cbe5644ac735b04"),
                           x("4f6465206f6e2061204772656369616e2055726e"),
                           x("0247fd33b913760fa1fa51e1892d9f307fbe65eb171e8132c2af18555a738b82"),
                           x("456e6e796e20447572696e206172616e204d6f726961"))
    if (export(b"", 32).hex() != "813c1bfc516c99076ae0f466671f0ba5ff244a41699f7b2417e4c59d46d39f40" or
            export(b"TestContext", 32).hex() != "ad40e3ae14f21c99bfdebc20ae14ab86f4ca2dc9a4799d200f43a25f99fa78ae"):
        raise Damage("HPKE: does not give the values of RFC 9180, A.2.2")


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "vectors":
        return command_vectors(sys.argv[2])
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("repository")
    key = p.add_mutually_exclusive_group(required=True)
    key.add_argument("--key-file")
    key.add_argument("--password-file")
    commands = p.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    commands.add_parser("check")
    restore = commands.add_parser("restore")
    restore.add_argument("snapshot")
    restore.add_argument("target")
    args = p.parse_args()
    with open(args.key_file or args.password_file, encoding="utf-8", newline="") as f:
        text = f.read()
    credential = KeyFile(text) if args.key_file else Password(text.removesuffix("\n").removesuffix("\r"))
    repository = Repository(Folder(args.repository), credential)
    if args.command == "restore":
        code = command_restore(repository, args.snapshot, args.target)
    else:
        code = command_list(repository) if args.command == "list" else command_check(repository)
    return code or (1 if repository.damage else 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Damage, Refused, OSError, UnicodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
