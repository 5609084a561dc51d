#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""A second, independent reader of keepfast repositories, written from docs/format.md alone.

For whoever has a repository, a key and no keepfast: it lists, checks and restores snapshots of format version 1. It is slow,
holds the whole index in memory, never writes to the repository and never outside TARGET. "(4.2)" refers to a section of format.md.

    pip install -r docs/requirements.txt
    python3 docs/reader.py REPO --key-file FILE list
    python3 docs/reader.py REPO --password-file FILE restore SNAPSHOT|latest TARGET
    python3 docs/reader.py REPO --key-file FILE check
    python3 docs/reader.py vectors docs/vectors/keys.json

Exit code: 0 all is well; 1 damage, or refused; 2 wrong usage; 3 restored, but something is missing (every hole is listed).
"""
import argparse, hmac, io, json, os, re, struct, sys, unicodedata
from collections import OrderedDict, namedtuple
from datetime import datetime, timezone

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
SUITE, EPOCH = struct.pack("<H", 1), struct.pack("<H", 0)
READ_FEATURES = {0: "delta"}  # by name, so that a refusal says what is missing; this reader decodes none of them


class Damage(Exception):
    """An object is not what format.md says: names the object and the fact."""


class Refused(Exception):
    """Nothing is broken, but this reader can not or must not go on."""


class Missing(Exception):
    """A chunk that no readable pack holds."""


# ---- 1. primitives and encodings ---------------------------------------------------------------------------

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


def unzstd(where, data, length):
    """Never produces more than `length + 1` bytes, whatever the frame claims about itself."""
    try:
        decoder = zstandard.ZstdDecompressor(max_window_size=64 * MIB)
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


class Opt:
    """A field that may be absent."""
    def __init__(self, spec):
        self.spec = spec


def fits(v, spec):
    """Whether a CBOR value has the shape `spec`: an int = bytes of that length, [x] = any number, (x, y) = these, {k: x} = a map."""
    if isinstance(spec, int):
        return type(v) is bytes and len(v) == spec
    if isinstance(spec, list):
        return type(v) is list and all(fits(x, spec[0]) for x in v)
    if isinstance(spec, tuple):
        return type(v) is list and len(v) == len(spec) and all(map(fits, v, spec))
    if isinstance(spec, dict):
        return (type(v) is dict and all(k in spec for k in v) and
                all(fits(v[k], getattr(s, "spec", s)) if k in v else isinstance(s, Opt) for k, s in spec.items()))
    return {"uint": type(v) is int and 0 <= v < 1 << 64, "int": type(v) is int and -(1 << 63) <= v < 1 << 63,
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
        code = "<%d" + {1: "B", 2: "H", 4: "I", 8: "Q"}[width]
        column = struct.unpack(code % (1 if n is None else n), self.take(width * (1 if n is None else n)))
        return column[0] if n is None else column

    def varint(self, low=0, high=(1 << 64) - 1):
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

    def varints(self, n, low=0, high=(1 << 64) - 1):
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
            last = (last + self.zigzag()) % (1 << 64)
            sums.append(last)
        return sums

    def string(self, limit):
        return self.take(self.varint(0, limit))

    def end(self):
        if self.at != len(self.data):
            self.bad(f"{len(self.data) - self.at} bytes too many")


def signed(v):
    v %= 1 << 64
    return v - (1 << 64) if v >> 63 else v


# ---- 4.4 HPKE (RFC 9180): receiver, mode PSK, export only --------------------------------------------------

def extract(salt, ikm):
    return hmac.digest(salt or bytes(32), ikm, "sha256")


def expand(prk, info, length):
    out, block = b"", b""
    for i in range(1, -(-length // 32) + 1):
        block = hmac.digest(prk, block + info + bytes([i]), "sha256")
        out += block
    return out[:length]


def labeled_extract(suite_id, salt, label, ikm):
    return extract(salt, b"HPKE-v1" + suite_id + label + ikm)


def labeled_expand(suite_id, prk, label, info, length):
    return expand(prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite_id + label + info, length)


def hpke_exporter(secret, enc, info, psk, psk_id):
    """What SetupPSKR gives, as `export(context, length)`. KEM 0x0020 (X25519), KDF 0x0001 (HKDF-SHA256), AEAD 0x0003."""
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03"
    key = X25519PrivateKey.from_private_bytes(secret)
    try:
        dh = key.exchange(X25519PublicKey.from_public_bytes(enc))
    except ValueError:  # all-zero result: enc is a point of small order
        raise Damage("HPKE: bad encapsulated key")
    context = enc + key.public_key().public_bytes_raw()
    shared = labeled_expand(kem, labeled_extract(kem, b"", b"eae_prk", dh), b"shared_secret", context, 32)
    schedule = b"\x01" + labeled_extract(suite, b"", b"psk_id_hash", psk_id) + labeled_extract(suite, b"", b"info_hash", info)
    exporter = labeled_expand(suite, labeled_extract(suite, shared, b"secret", psk), b"exp", schedule, 32)
    return lambda context, length: labeled_expand(suite, exporter, b"sec", context, length)


# ---- 4. keys -----------------------------------------------------------------------------------------------

class Keys:
    """(4.1) Everything derived from the root secret."""

    def __init__(self, root, epoch=EPOCH):
        self.root, self.epoch = root, epoch
        dk = lambda name, length=32: DK("keepfast 2026 v1 " + name, root + epoch, length)
        self.data_id_key, self.tree_id_key = dk("data chunk id"), dk("tree chunk id")
        self.gear_table, self.boundary_key, self.structure_key = dk("gear table", 2048), dk("tree boundary"), dk("structure")
        self.meta_secret, self.data_secret, self.psk = dk("meta secret"), dk("data secret"), dk("psk")
        self.root_signing_seed = dk("root signing")
        self.root_public_key = Ed25519PrivateKey.from_private_bytes(self.root_signing_seed).public_key().public_bytes_raw()
        self.meta_public_key = X25519PrivateKey.from_private_bytes(self.meta_secret).public_key().public_bytes_raw()
        self.data_public_key = X25519PrivateKey.from_private_bytes(self.data_secret).public_key().public_bytes_raw()
        self.sessions = {}

    def writer_signing_seed(self, writer):
        return DK("keepfast 2026 v1 writer signing", self.root + self.epoch + writer)

    def writer_public_key(self, writer):
        return Ed25519PrivateKey.from_private_bytes(self.writer_signing_seed(writer)).public_key().public_bytes_raw()

    def session_key(self, where, repository_id, kind, enc, commitment):
        """(4.4) `kind` is the letter D, T or M."""
        if (kind, enc) not in self.sessions:
            export = hpke_exporter(self.data_secret if kind == "D" else self.meta_secret, enc,
                                   b"keepfast v1 session" + repository_id + SUITE + self.epoch + kind.encode(),
                                   self.psk, b"keepfast v1 psk" + repository_id)
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


# ---- 3. envelope -------------------------------------------------------------------------------------------

Envelope = namedtuple("Envelope", "header extension body repository_id")
NAMES = {"config": "config/[0-9]{8}", "keys": "keys/[0-9a-f]{64}", "packs": r"packs/([0-9a-f]{2})/\1[0-9a-f]{62}", "index": "index/[0-9a-f]{64}",
         "gen": "gen/[0-9]{12}", "snapshots": "snapshots/[0-9a-f]{64}", "log": "log/[0-9a-f]{32}/[0-9]{12}",
         "sessions": "sessions/[0-9a-f]{32}/[0-9]{12}"}  # (2)
KINDS = {"config": "C", "keys": "K", "index": "I", "gen": "G", "snapshots": "M", "log": "L", "sessions": "S"}


def check_header(where, h, kinds, total, repository_id):
    """(3) Returns kind letter and extension length; `total` is the object's length."""
    if len(h) != 64 or h[:3] != b"\x89KF" or h[4:8] != b"\r\n\x1a\0" or chr(h[3]) not in kinds:
        raise Damage(f"{where}: does not begin with the magic of kind {kinds}")
    if h[56:] != H(h[:56])[:8]:
        raise Damage(f"{where}: the header's check does not fit")
    version, kind_version, suite, epoch = struct.unpack_from("<4H", h, 8)
    if (version, kind_version, suite, epoch) != (1, 1, 1, 0):
        raise Refused(f"{where}: version {version}, kind version {kind_version}, suite {suite}, key epoch {epoch}: not known here")
    if repository_id and h[16:32] != repository_id:
        raise Damage(f"{where}: belongs to repository {h[16:32].hex()}")
    read = struct.unpack_from("<I", h, 32)[0]
    if read:
        names = [READ_FEATURES.get(bit, f"unknown bit {bit}") for bit in range(32) if read >> bit & 1]
        raise Refused(f"{where}: needs the feature {', '.join(names)}, which this reader does not have")
    extension, body = struct.unpack_from("<IQ", h, 44)
    if extension > MIB or 64 + extension + body != total:
        raise Damage(f"{where}: header says 64 + {extension} + {body} bytes, the object has {total}")
    return chr(h[3]), extension


# ---- 6. packs ----------------------------------------------------------------------------------------------

Segment = namedtuple("Segment", "offset stored plain row codec chunks")  # chunks: [(id, offset in the segment, length)]
Pack = namedtuple("Pack", "id kind length session rows table segments")


def parse_table(where, data, rows, end):
    """(6) The directory's table; segments lie in 64..end of the pack."""
    c = Cursor(where, data)
    s, n, edges = c.u(4, 3)
    if s > 1 << 20 or n > 1 << 24:
        c.bad(f"{s} segments, {n} chunks")
    offsets, stored, plain, counts, edge_counts = (c.u(4, s) for _ in range(5))
    row, codec, lengths = c.u(2, s), c.u(1, s), c.u(4, n)
    ids = [c.take(32) for _ in range(n)]
    c.take(32 * edges)
    c.end()
    if sum(counts) != n or sum(edge_counts) != edges:
        c.bad("chunks or edges do not add up")
    segments, next_chunk, floor = [], 0, 64
    for i in range(s):
        if offsets[i] < floor or stored[i] < 40 or offsets[i] + stored[i] > end or plain[i] > 16 * MIB or row[i] >= len(rows):
            c.bad(f"segment {i} lies at {offsets[i]} + {stored[i]}, plain {plain[i]}, key row {row[i]}")
        if codec[i] > 1 or edge_counts[i]:
            raise Refused(f"{where}: segment {i} has codec {codec[i]}, {edge_counts[i]} edges: needs the feature delta")
        floor, at, chunks = offsets[i] + stored[i], 0, []
        for j in range(next_chunk, next_chunk + counts[i]):
            chunks.append((ids[j], at, lengths[j]))
            at += lengths[j]
        next_chunk += counts[i]
        if at != plain[i]:
            c.bad(f"the chunks of segment {i} have {at} bytes, the segment {plain[i]}")
        segments.append(Segment(offsets[i], stored[i], plain[i], row[i], codec[i], chunks))
    return segments


def split_rows(where, data):
    """(6) Key table: [(key id, enc, commitment)]"""
    rows = [(data[i:i + 16], data[i + 16:i + 48], data[i + 48:i + 80]) for i in range(0, len(data), 80)]
    if not rows or any(H(enc)[:16] != key_id for key_id, enc, _ in rows):
        raise Damage(f"{where}: a key id does not fit its key, or there is none")
    return rows


# ---- 8. tree -----------------------------------------------------------------------------------------------

FILE, DIRECTORY, SYMLINK, FIFO, CHARACTER, BLOCK, SOCKET = range(1, 8)
TORN, UNREADABLE, RACY, BIRTH, LINKED, STREAM = 1, 2, 4, 8, 16, 32
SLASH_FIRST = bytes([0x01 if b == 0 else 0x00 if b == 0x2F else b for b in range(256)])  # names hold no NUL: its place is free


class Entry:
    """One row of a leaf (8.1)."""
    group = target = rdev = None
    xattrs, size, height, items = (), 0, 0, ()

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


def read_items(c, counts):
    """For each count a list [(length, id or None for a hole)]: all lengths, then all ids."""
    total = sum(counts)
    packed = c.varints(total, 2)
    flat = [(v >> 1, None if v & 1 else c.take(32)) for v in packed]
    out, at = [], 0
    for n in counts:
        out.append(flat[at:at + n])
        at += n
    return out


def parse_leaf(where, data):
    """(8.1) -> [Entry]"""
    c = Cursor(where, data)
    c.take(1)
    n = c.varint(1, 65535)
    d = c.varint(1, n)
    per_directory, lengths = c.varints(d, 1), c.varints(d, 0, MIB)
    directories = [c.take(length) for length in lengths]
    if sum(per_directory) != n or any(not good_name(p) for dir_ in directories if dir_ for p in dir_.split(b"/")):
        c.bad("directories: counts or names")
    name_lengths = c.varints(n, 0, 255)
    names = [c.take(length) for length in name_lengths]
    entries = []
    for directory, count in zip(directories, per_directory):
        for _ in range(count):
            name = names[len(entries)]
            if not good_name(name) and (directory or name):
                c.bad(f"name {name!r} in {directory!r}")
            entries.append(Entry(directory, name))
    types, marks = c.u(1, n), c.u(1, n)
    owners = []
    for _ in range(c.varint()):
        owners.append((c.varint(), c.varint(), c.string(255), c.string(255)))
    rows, modes = c.varints(n), c.varints(n, 0, 0o7777)
    mtimes, mtime_ns = c.zigzag_sums(n), c.varints(n, 0, 10 ** 9 - 1)
    ctimes, ctime_ns = c.zigzag_sums(n), c.varints(n, 0, 10 ** 9 - 1)
    for i, e in enumerate(entries):
        e.type, e.marks, e.mode = types[i], marks[i], modes[i]
        if not FILE <= e.type <= SOCKET or e.marks > 63 or rows[i] >= len(owners):
            c.bad(f"{e.path!r}: type {e.type}, marks {e.marks}, owner {rows[i]}")
        if not e.name and e.type != DIRECTORY or e.type == DIRECTORY and e.marks & LINKED:
            c.bad(f"{e.path!r}: a top folder that is none, or a folder with a link group")
        e.owner, e.mtime, e.ctime = owners[rows[i]], (signed(mtimes[i]), mtime_ns[i]), (signed(ctimes[i]), ctime_ns[i])
    for e in entries:
        if e.marks & BIRTH:
            e.birth = signed(e.ctime[0] + c.zigzag()), e.ctime[1] + c.zigzag()
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
    for e, length in zip(links, c.varints(len(links), 0, 65535)):
        e.target = length
    for e in links:
        e.target = c.take(e.target)
    sets = []
    for _ in range(c.varint()):
        sets.append([(c.string(255), c.string(16 * MIB)) for _ in range(c.varint())])
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
        if sum(length for length, _ in items) != e.size and not e.marks & (TORN | UNREADABLE):
            c.bad(f"{e.path!r}: items do not add up to the size {e.size}")
    c.end()
    return entries


def parse_inner(where, data):
    """(8.2) -> level, [(directory, name, entries below, bytes below, id)]"""
    c = Cursor(where, data)
    level, n = c.u(1), c.varint(1, 65535)
    if not 1 <= level <= 15 or n > len(data):
        c.bad(f"level {level}, {n} children")
    keys = [(c.string(MIB), c.string(255)) for _ in range(n)]
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
    c.end()
    return items


# ---- repository --------------------------------------------------------------------------------------------

BYTES16, BYTES32, BYTES64 = 16, 32, 64
SLOT = {0: "uint", 1: "uint", 2: "uint", 3: "uint", 4: 32, 5: 32, 6: "uint", 7: "text"}
BUNDLE = {0: "uint", 1: 32, 2: "uint"}
CONFIG = {0: "uint", 1: dict.fromkeys(range(5), "uint"), 2: "uint", 3: "uint", 4: "uint", 5: "uint", 6: 32, 7: 32, 8: 32, 9: "text"}
GENERATION = {0: "uint", 1: [32], 2: [(16, "uint")], 3: ["uint"]}
LOG = {0: "uint", 1: 16, 2: "uint", 3: Opt(32), 4: "uint", 5: [(16, "uint", 32)], 6: "uint", 7: "uint", 8: Opt(16), 9: Opt(32),
       10: Opt([32]), 11: Opt([32]), 12: Opt([(32, ["text"])])}
LOG_FIELDS = {1: {8, 9, 10}, 2: {8}, 3: {11}, 4: {12}}
MANIFEST = {0: 16, 1: "uint", 2: 16, 3: Opt(32), 4: 32, 5: "uint", 6: ["bytes"], 7: "text", 8: "text", 9: ["text"], 10: "int", 11: "int",
            12: "text", 13: "text", 14: "uint", 15: dict.fromkeys(range(11), "uint"), 16: [("bytes", "uint", "text")], 17: "uint",
            18: "uint", 19: "uint", 20: 32}
COMMIT, VOID, FORGET, TAG = 1, 2, 3, 4


class Repository:
    """An opened repository. What is wrong but does not stop the reader goes to `self.damage`, and to stderr at once."""

    def __init__(self, folder, key_file, password):
        self.folder, self.damage, self.id, self.keys = folder, [], None, None
        self.segments, self.files = OrderedDict(), {}
        self.keys = self.open_key_slot(key_file, password)
        self.config = self.open_config()
        self.log = self.read_log()
        self.snapshots = self.apply_log()
        self.packs = self.visible_packs()
        self.chunks = {}  # (kind, id) -> [(pack, segment, offset, length)]
        for pack in self.packs.values():
            self.add_chunks(pack)

    def note(self, error):
        if str(error) in self.damage:
            return
        self.damage.append(str(error))
        print(f"{'refused' if isinstance(error, Refused) else 'damage'}: {error}", file=sys.stderr)

    # -- objects

    def names(self, prefix):
        """Object names below a prefix, sorted. Files with another name are no objects."""
        walk = os.walk(os.path.join(self.folder, prefix))
        found = (os.path.relpath(os.path.join(at, f), self.folder) for at, _, files in walk for f in files)
        return sorted(name for name in found if re.fullmatch(NAMES[prefix], name))

    def read(self, name):
        """(3) A whole object that is no pack. A name that is a hash is checked, also for the caller that only wants the bytes."""
        prefix, last = name.split("/")[0], name.split("/")[-1]
        try:
            with open(os.path.join(self.folder, name), "rb") as f:
                raw = f.read(72 * MIB + 1)
        except OSError as e:
            raise Damage(f"{name}: {e.strerror}")
        if len(raw) > 72 * MIB:
            raise Damage(f"{name}: larger than 72 MiB")
        if prefix in ("keys", "index", "snapshots") and H(raw).hex() != last:
            raise Damage(f"{name}: its content has the hash {H(raw).hex()}")
        kind, extension = check_header(name, raw[:64], KINDS[prefix], len(raw), self.id)
        if extension and kind not in "KM":
            raise Damage(f"{name}: has an extension")
        return Envelope(raw[:64], raw[64:64 + extension], raw[64 + extension:], raw[16:32]), raw

    def read_sealed(self, name, key=None):
        """The plain payload of a sealed body (I G L S M)."""
        o, raw = self.read(name)
        key = key or self.keys.structure_key
        return unframe(name, unseal(name, key, o.header + o.extension, o.body)), raw

    # -- 4.2, 4.3

    def open_key_slot(self, key_file, password):
        secret = root = None
        if key_file is not None:
            form = "keepfast key file v1\nrepository ([0-9a-f]{32})\nroot ([0-9a-f]{64})\nsecret ([0-9a-f]{64})\n?"
            match = re.fullmatch(form, key_file)
            if not match:
                raise Refused("the key file is not a keepfast key file v1")
            self.id, root, secret = map(bytes.fromhex, match.groups())
        slots = self.names("keys")
        for name in slots:
            try:
                o, _ = self.read(name)
                slot = cbor(name, o.extension, SLOT)
                kek = self.derive_kek(name, slot, secret, password)
                if kek is None:
                    continue
                bundle = cbor(name, unseal(name, kek, o.header + o.extension, o.body), BUNDLE)
            except (Damage, Refused) as e:
                self.note(e)
                continue
            if (bundle[0], bundle[2]) != (1, 0):
                raise Refused(f"{name}: bundle kind {bundle[0]}, key epoch {bundle[2]}: not known here")
            self.id, keys = o.repository_id, Keys(bundle[1])
            if root is not None and keys.root_public_key != root:
                raise Refused(f"{name}: opens, but to another root key than the key file pins")
            return keys
        raise Refused(f"none of {len(slots)} key slots opens with this {'key file' if secret else 'password'}")

    def derive_kek(self, name, slot, secret, password):
        """None: the slot is not for this key file or password."""
        kind, memory, passes, lanes, salt = (slot[i] for i in range(5))
        if kind == 2 and secret is not None:
            both = DK("keepfast 2026 v1 key file", secret + salt, 64)
        elif kind == 1 and password is not None:
            if not (8 << 10 <= memory <= 4 << 20 and 1 <= passes <= 16 and 1 <= lanes <= 16):
                raise Refused(f"{name}: Argon2id with {memory} KiB, {passes} passes, {lanes} lanes is outside the limits")
            text = unicodedata.normalize("NFC", password).encode()
            both = argon2.hash_secret_raw(text, salt, passes, memory, lanes, 64, argon2.Type.ID, 0x13)
        else:
            return None
        return both[:32] if hmac.compare_digest(both[32:], slot[5]) else None

    def open_config(self):
        """(4.3) The highest valid generation; a broken one above it is noted."""
        for name in reversed(self.names("config")):
            try:
                return self.read_config(name)
            except Damage as e:
                self.note(e)
        raise Damage("config: no valid config object")

    def read_config(self, name):
        o, _ = self.read(name)
        payload, signature = cbor(name, o.body, ("bytes", 64))
        verify(name, self.keys.root_public_key, signature, b"keepfast v1 config" + o.header + payload)
        config = cbor(name, payload, CONFIG)
        if (config[6], config[7], config[8]) != (self.keys.root_public_key, self.keys.meta_public_key, self.keys.data_public_key):
            raise Damage(f"{name}: names public keys that do not come from the root secret")
        return config

    # -- 10, 9

    def read_log(self):
        """(10) Every slot that opens and fits, in the order in which all apply them. The others count as VOID and are noted."""
        slots, hashes = [], {}
        for name in self.names("log"):
            try:
                with open(os.path.join(self.folder, name), "rb") as f:
                    hashes[name] = H(f.read(72 * MIB))
                slots.append(self.read_slot(name))
            except (Damage, Refused, OSError) as e:
                self.note(e)
        for name in hashes:  # numbered without a gap
            writer, n = name.split("/")[1:]
            if int(n) and f"log/{writer}/{int(n) - 1:012}" not in hashes:
                self.note(f"log/{writer}/{int(n) - 1:012}: absent, although a later slot is there")
        for slot in slots:
            before = [(slot[1], slot[2] - 1, slot[3])] if slot[2] else []
            for writer, n, h in before + slot[5]:
                name = f"log/{writer.hex()}/{n:012}"
                if hashes.get(name) != h:
                    self.note(f"{name}: is not the slot that log/{slot[1].hex()}/{slot[2]:012} saw: lost, damaged or replaced")
        return sorted(slots, key=lambda s: (s[4], s[1], s[2]))

    def read_slot(self, name):
        plain, _ = self.read_sealed(name)
        payload, signature = cbor(name, plain, ("bytes", 64))
        slot = cbor(name, payload, LOG)
        if name != f"log/{slot[1].hex()}/{slot[2]:012}":
            raise Damage(f"{name}: is slot {slot[2]} of writer {slot[1].hex()}")
        verify(name, self.keys.writer_public_key(slot[1]), signature, b"keepfast v1 log" + self.id + payload)
        if slot[0] not in LOG_FIELDS or {k for k in slot if k > 7} != LOG_FIELDS[slot[0]] or (3 in slot) != (slot[2] > 0):
            raise Damage(f"{name}: kind {slot[0]} with fields {sorted(slot)}")
        return slot

    def apply_log(self):
        """Snapshot id -> manifest, oldest first, after COMMIT, FORGET and TAG; field 9 holds the tags of now."""
        commits, tags = OrderedDict(), {}
        for slot in self.log:
            if slot[0] == COMMIT:
                commits[slot[9]] = slot
            elif slot[0] == FORGET:
                for snapshot in slot[11]:
                    commits.pop(snapshot, None)
            elif slot[0] == TAG:
                tags.update((snapshot, new) for snapshot, new in slot[12])
        snapshots = OrderedDict()
        for snapshot, slot in commits.items():
            try:
                manifest = self.read_manifest(f"snapshots/{snapshot.hex()}")
                if [manifest[i] for i in (0, 1, 2)] != [slot[1], slot[2], slot[8]]:
                    raise Damage(f"snapshots/{snapshot.hex()}: committed by another writer, sequence or session than it says")
                manifest[9] = tags.get(snapshot, manifest[9])
                snapshots[snapshot] = manifest
            except (Damage, Refused) as e:
                self.note(e)
        return snapshots

    def read_manifest(self, name):
        o, _ = self.read(name)
        if len(o.extension) != 64:
            raise Damage(f"{name}: extension of {len(o.extension)} bytes")
        key = self.keys.session_key(name, self.id, "M", o.extension[:32], o.extension[32:])
        manifest = cbor(name, self.read_sealed(name, key)[0], MANIFEST)
        if manifest[5] > 15 or manifest[17] > 1:
            raise Damage(f"{name}: root level {manifest[5]}, partial {manifest[17]}")
        return manifest

    # -- 7, 6

    def visible_packs(self):
        """(7) Pack id -> Pack. When a generation or index object is lost, the directories of all packs stand in for it."""
        try:
            names = self.names("gen")
            if not names:
                raise Damage("gen: no generation")
            generation = cbor(names[-1], self.read_sealed(names[-1])[0], GENERATION)
            if names[-1] != f"gen/{generation[0]:012}":
                raise Damage(f"{names[-1]}: is generation {generation[0]}")
            absorbed = dict(generation[2])
            wanted = set(generation[1])
            for slot in self.log:
                if slot[0] == COMMIT and slot[2] > absorbed.get(slot[1], -1):
                    wanted.update(slot[10])
            packs = {}
            for index in sorted(wanted):
                packs.update(self.read_index(f"index/{index.hex()}"))
            return packs
        except (Damage, Refused) as e:
            self.note(e)
            print("the index is not whole: reading the directory of every pack instead", file=sys.stderr)
        packs = {}
        for name in self.names("packs"):
            try:
                pack = self.read_directory(name)
                packs[pack.id] = pack
            except (Damage, Refused) as e:
                self.note(e)
        return packs

    def read_index(self, name):
        c, packs, last = Cursor(name, self.read_sealed(name)[0]), {}, b""
        for _ in range(c.u(4)):
            pack_id, length, kind, session = c.take(32), c.u(8), chr(c.u(1)), c.take(16)
            rows = split_rows(name, c.take(80 * c.u(2)))
            table = c.take(c.u(4))
            if pack_id <= last or kind not in "DT" or length > 256 * MIB:
                c.bad(f"pack {pack_id.hex()}: order, kind {kind!r} or length {length}")
            segments = parse_table(name, table, rows, length - 64 - 80 * len(rows))
            packs[pack_id], last = Pack(pack_id, kind, length, session, rows, table, segments), pack_id
        c.end()
        return packs

    def pack_bytes(self, name, offset, length):
        try:
            if name not in self.files:
                if len(self.files) >= 64:
                    os.close(self.files.popitem()[1])
                self.files[name] = os.open(os.path.join(self.folder, name), os.O_RDONLY)
                total = os.fstat(self.files[name]).st_size
                check_header(name, os.pread(self.files[name], 64, 0), "DT", total, self.id)
            data = os.pread(self.files[name], length, offset)
        except OSError as e:
            raise Damage(f"{name}: {e.strerror}")
        if len(data) != length:
            raise Damage(f"{name}: ends before {offset} + {length}")
        return data

    def read_directory(self, name):
        """(6) A pack as its own tail describes it."""
        header = self.pack_bytes(name, 0, 64)
        total = os.fstat(self.files[name]).st_size
        if total > 256 * MIB or total < 128 or any(header[44:48]):
            raise Damage(f"{name}: {total} bytes, or an extension")
        footer = self.pack_bytes(name, total - 64, 64)
        keys_at, at, length, n, zero = struct.unpack_from("<QQIHH", footer, 8)
        if footer[:8] != b"\x89KFF\r\n\x1a\0" or footer[56:] != H(footer[:56])[:8] or zero or any(footer[48:56]):
            raise Damage(f"{name}: bad footer")
        if not n or keys_at < 64 or keys_at + 80 * n != at or at + length + 64 != total:
            raise Damage(f"{name}: the footer's parts do not fit together")
        key_table = self.pack_bytes(name, keys_at, 80 * n)
        aad = b"keepfast v1 directory" + header + key_table + footer[:56]
        table = unframe(name, unseal(name, self.keys.structure_key, aad, self.pack_bytes(name, at, length)))
        rows, pack_id = split_rows(name, key_table), bytes.fromhex(name.split("/")[-1])
        return Pack(pack_id, chr(header[3]), total, footer[32:48], rows, table, parse_table(name, table, rows, keys_at))

    def add_chunks(self, pack):
        for segment in pack.segments:
            for chunk, at, length in segment.chunks:
                self.chunks.setdefault((pack.kind, chunk), []).append((pack, segment, at, length))

    def open_segment(self, pack, segment):
        """The plaintext of a segment; the last few are kept."""
        name = f"packs/{pack.id.hex()[:2]}/{pack.id.hex()}"
        where = f"{name}: segment at {segment.offset}"
        if (pack.id, segment.offset) in self.segments:
            self.segments.move_to_end((pack.id, segment.offset))
            return self.segments[pack.id, segment.offset]
        key_id, enc, commitment = pack.rows[segment.row]
        key = self.keys.session_key(where, self.id, pack.kind, enc, commitment)
        if self.pack_bytes(name, 3, 1) != pack.kind.encode():
            raise Damage(f"{name}: the index says kind {pack.kind}")
        aad = b"keepfast v1 segment" + self.id + pack.kind.encode() + SUITE + key_id
        plain = unseal(where, key, aad, self.pack_bytes(name, segment.offset, segment.stored))
        if segment.codec == 1:
            plain = unzstd(where, plain, segment.plain)
        if len(plain) != segment.plain:
            raise Damage(f"{where}: {len(plain)} bytes, not {segment.plain}")
        self.segments[pack.id, segment.offset] = plain
        while len(self.segments) > 16:
            self.segments.popitem(last=False)
        return plain

    def checked(self, pack, segment, chunk, at, length):
        """(5) A chunk out of its segment, its id recomputed."""
        plain = self.open_segment(pack, segment)[at:at + length]
        if KH(self.keys.data_id_key if pack.kind == "D" else self.keys.tree_id_key, plain) != chunk:
            raise Damage(f"packs/{pack.id.hex()[:2]}/{pack.id.hex()}: chunk {chunk.hex()} has other content than its id says")
        return plain

    def chunk(self, kind, chunk):
        for pack, segment, at, length in self.chunks.get((kind, chunk), ()):
            try:
                return self.checked(pack, segment, chunk, at, length)
            except (Damage, Refused) as e:
                self.note(e)
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
            after = "the start" if last[0] is None else repr(last[0][0].translate(SLASH_FIRST) + b"/" + last[0][1])
            lost(f"every entry after {after} up to the next one restored ({e})")
            return
        if not data or data[0] != level:
            raise Damage(f"{where}: not of level {level}")
        if level == 0:
            for entry in parse_leaf(where, data):
                key = order(entry.directory, entry.name)
                if last[0] is not None and key <= last[0]:
                    raise Damage(f"{where}: {entry.path!r} is out of order")
                last[0] = key
                yield entry
            return
        for directory, name, entries, size, child in parse_inner(where, data)[1]:
            seen, holes = [0, 0], []
            for entry in self.walk_node(child, level - 1, last, lambda text: (holes.append(text), lost(text))):
                seen = [seen[0] + 1, seen[1] + entry.size]
                yield entry
            if holes:
                last[0] = order(directory, name)
            elif last[0] != order(directory, name) or seen != [entries, size]:
                raise Damage(f"{where}: child {child.hex()} has {seen} entries, bytes, not {[entries, size]}, or ends elsewhere")

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


# ---- restore -----------------------------------------------------------------------------------------------

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
        print(f"missing: {os.fsdecode(path)}: {text}", file=sys.stderr)

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
                    if entry.name:
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
            print(f"note: {os.fsdecode(entry.path)}: was {'unreadable' if entry.marks & UNREADABLE else 'torn'} at backup", file=sys.stderr)
        offset = 0
        lost = lambda text, length: self.hole(entry.path, f"bytes {offset}..{offset + length}: {text}")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as f:
            for length, chunk in self.repository.content(entry.items, entry.height, lost):
                if chunk:
                    try:
                        data = self.repository.chunk("D", chunk)
                        if len(data) != length:
                            raise Damage(f"tree: {entry.path!r}: chunk {chunk.hex()} has {len(data)} bytes, not {length}")
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
        """Owner first: changing it clears set-id bits and capabilities. Times last."""
        uid, gid = entry.owner[:2]
        mode = entry.mode
        if self.root:
            self.attempt("owner", os.chown, path, uid, gid, follow_symlinks=False)
        elif (uid, gid) != (os.geteuid(), os.getegid()):
            self.skip("owner (needs root)")
            mode &= 0o1777  # a set-id bit for another owner than the stored one would be a hole
        if entry.type != SYMLINK:
            self.attempt("mode", os.chmod, path, mode)
        for name, value in entry.xattrs:
            if self.root:
                self.attempt("xattr " + os.fsdecode(name), os.setxattr, path, name, value, follow_symlinks=False)
            else:
                self.skip("xattr (needs root)")
        if entry.flags:
            self.skip("inode flags")
        time = entry.mtime[0] * 10 ** 9 + entry.mtime[1]
        self.attempt("mtime", os.utime, path, ns=(time, time), follow_symlinks=False)


# ---- commands ----------------------------------------------------------------------------------------------

def command_list(repository):
    for snapshot, m in repository.snapshots.items():
        when = datetime.fromtimestamp(m[11] / 1e9, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
        paths = " ".join(os.fsdecode(p) for p in m[6])
        print(f"{snapshot.hex()[:16]}  {when}  {m[7]}  {m[15][0]} files  {m[15][3]} bytes  {paths}  {','.join(m[9])}".rstrip())
    return 0


def command_restore(repository, wanted, target):
    found = [s for s in repository.snapshots if s.hex().startswith(wanted)]
    if wanted == "latest":
        found = list(repository.snapshots)[-1:]
    if len(found) != 1:
        raise Refused(f"{len(found)} snapshots fit {wanted!r}")
    restore = Restore(repository, target)
    restore.run(repository.snapshots[found[0]])
    print(f"restored {found[0].hex()[:16]} to {target}" + (f", {len(restore.holes)} holes" if restore.holes else ""))
    return 3 if restore.holes else 0


def command_check(repository):
    """Every object, every segment, every chunk, every tree."""
    counts = dict.fromkeys(("objects", "packs", "chunks", "entries"), 0)
    readers = {"index": repository.read_index, "snapshots": repository.read_manifest, "config": repository.read_config,
               "gen": repository.read_sealed, "sessions": repository.read_sealed, "keys": repository.read}
    good = {}  # (kind, id) -> length

    def attempt(call, *args):
        try:
            return call(*args)
        except (Damage, Refused) as e:
            repository.note(e)

    for prefix, reader in readers.items():
        for name in repository.names(prefix):
            attempt(reader, name)
            counts["objects"] += 1
    for name in repository.names("packs"):
        counts["packs"] += 1
        attempt(check_pack, repository, name, good)
    for pack in repository.packs.values():
        if not os.path.exists(os.path.join(repository.folder, "packs", pack.id.hex()[:2], pack.id.hex())):
            repository.note(f"packs/{pack.id.hex()[:2]}/{pack.id.hex()}: absent, although the index names it")
    for snapshot, manifest in repository.snapshots.items():
        attempt(check_tree, repository, snapshot.hex(), manifest, good, counts)
    counts["chunks"] = len(good)
    print(f"{len(repository.snapshots)} snapshots, " + ", ".join(f"{n} {what}" for what, n in counts.items()) +
          f": {'no damage' if not repository.damage else f'{len(repository.damage)} damaged'}")
    return 0


def check_pack(repository, name, good):
    with open(os.path.join(repository.folder, name), "rb") as f:
        digest = H(f.read(256 * MIB + 1)).hex()
    if name != f"packs/{digest[:2]}/{digest}":
        repository.note(f"{name}: its content has the hash {digest}")
    pack = repository.read_directory(name)
    indexed = repository.packs.get(pack.id)
    if indexed and indexed != pack:
        repository.note(f"{name}: the index describes another pack")
    for segment in pack.segments:
        for chunk, at, length in segment.chunks:
            try:
                repository.checked(pack, segment, chunk, at, length)
                good[pack.kind, chunk] = length
            except Damage as e:
                repository.note(e)
                break


def check_tree(repository, snapshot, manifest, good, counts):
    lost = lambda text, _length=0: repository.note(f"snapshots/{snapshot}: missing: {text}")
    for entry in repository.walk(manifest, lost):
        counts["entries"] += 1
        for length, chunk in repository.content(entry.items, entry.height, lost):
            if chunk and ("D", chunk) not in repository.chunks:
                lost(f"{entry.path!r}: data chunk {chunk.hex()} is in no visible pack")
            elif chunk and good.get(("D", chunk)) != length:
                lost(f"{entry.path!r}: data chunk {chunk.hex()} of {length} bytes is damaged or has another length")


def command_vectors(path):
    """Recomputes every value of a vectors file that it knows by name, all in hex: the input is `root_secret`, with
    `repository_id` and `writer_id` where they are needed; the names are those of section 4.1, words joined by `_`."""
    rfc9180_a_2_2()
    with open(path) as f:
        vectors = json.load(f)
    keys, wrong, known = Keys(bytes.fromhex(vectors["root_secret"])), [], 0
    writer = bytes.fromhex(vectors.get("writer_id", ""))
    values = {name: value for name, value in vars(keys).items() if isinstance(value, bytes)}
    values["writer_signing_seed"], values["writer_public_key"] = keys.writer_signing_seed(writer), keys.writer_public_key(writer)
    for name, value in vectors.items():
        if name in values:
            known += 1
            wrong += [name] * (values[name].hex() != value)
        elif name not in ("root_secret", "key_epoch", "repository_id", "writer_id", "sessions"):
            print(f"not known here: {name}", file=sys.stderr)
    for s in vectors.get("sessions", []):  # {kind, enc, session_key, commitment}
        enc, commitment = bytes.fromhex(s["enc"]), bytes.fromhex(s["commitment"])
        key = keys.session_key(s["kind"], bytes.fromhex(vectors["repository_id"]), s["kind"], enc, commitment)
        known += 1
        wrong += ["session " + s["kind"]] * (key.hex() != s["session_key"])
    print(f"{path}: {known} values checked" + (f", wrong: {', '.join(wrong)}" if wrong else ""))
    return 1 if wrong or not known else 0


def rfc9180_a_2_2():
    """The RFC's own vector for this suite and mode PSK (A.2.2)."""
    x = bytes.fromhex
    export = hpke_exporter(x("77d114e0212be51cb1d76fa99dd41cfd4d0166b08caa09074430a6c59ef17879"),
                           x("2261299c3f40a9afc133b969a97f05e95be2c514e54f3de26cbe5644ac735b04"),
                           x("4f6465206f6e2061204772656369616e2055726e"),
                           x("0247fd33b913760fa1fa51e1892d9f307fbe65eb171e8132c2af18555a738b82"),
                           x("456e6e796e20447572696e206172616e204d6f726961"))
    if export(b"", 32).hex() != "813c1bfc516c99076ae0f466671f0ba5ff244a41699f7b2417e4c59d46d39f40" or \
            export(b"TestContext", 32).hex() != "ad40e3ae14f21c99bfdebc20ae14ab86f4ca2dc9a4799d200f43a25f99fa78ae":
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
    commands.add_parser("vectors").add_argument("file")
    restore = commands.add_parser("restore")
    restore.add_argument("snapshot")
    restore.add_argument("target")
    args = p.parse_args()
    if args.command == "vectors":
        return command_vectors(args.file)
    with open(args.key_file or args.password_file, encoding="utf-8", newline="") as f:
        text = f.read()
    password = text.removesuffix("\n").removesuffix("\r") if args.password_file else None
    repository = Repository(args.repository, text if args.key_file else None, password)
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
