"""TFRecord and tf.train.Example read byte by byte in plain Python, and written in odd ways."""

import struct

MASK_DELTA = 0xA282EAD8
KINDS = {1: "bytes", 2: "float", 3: "int64"}
VARINT, EIGHT, DELIMITED, FOUR = 0, 1, 2, 5


# ------------------------------------------------------------ CRC and framing
def crc32c(data):
    """Bit by bit: the remainder of division by Castagnoli's polynomial."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked_crc32c(data):
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + MASK_DELTA) & 0xFFFFFFFF


def frame(record):
    length = struct.pack("<Q", len(record))
    crcs = [struct.pack("<I", masked_crc32c(part)) for part in (length, record)]
    return length + crcs[0] + record + crcs[1]


def frames(data):
    """Records of a file; ValueError where it is damaged."""
    records = []
    while data:
        head, record, rest = data[:12], data[12:-4], b""
        if len(head) == 12:
            end = 12 + struct.unpack("<Q", head[:8])[0]
            record, rest = data[12:end], data[end + 4 :]
        if len(data) < 16 or data[: len(data) - len(rest)] != frame(record):
            raise ValueError("damaged")
        records.append(record)
        data = rest
    return records


# ------------------------------------------------------------ messages
def varint(data, pos):
    value = 0
    for k in range(10):
        if pos >= len(data):
            break
        value |= (data[pos] & 0x7F) << (7 * k)
        pos += 1
        if data[pos - 1] < 0x80:
            return value & (2**64 - 1), pos
    raise ValueError("bad varint")


def fields(message):
    """(number, wire type, value) of each field; bytes for all but varints."""
    pos = 0
    while pos < len(message):
        tag, pos = varint(message, pos)
        number, wire = tag >> 3, tag & 7
        if not number or tag >= 2**32 or wire not in {VARINT, EIGHT, DELIMITED, FOUR}:
            raise ValueError("bad tag")
        if wire == VARINT:
            value, pos = varint(message, pos)
        else:
            size = {EIGHT: 8, FOUR: 4}.get(wire)
            if size is None:
                size, pos = varint(message, pos)
            value, pos = message[pos : pos + size], pos + size
            if pos > len(message):
                raise ValueError("beyond the end")
        yield number, wire, value


def signed(value):
    return value - 2**64 if value >= 2**63 else value


def values(kind, message):
    """Values of a BytesList, FloatList or Int64List."""
    found = []
    for number, wire, value in fields(message):
        if number != 1:
            continue
        if kind == "bytes" and wire == DELIMITED:
            found.append(value)
        if kind == "float" and wire in {DELIMITED, FOUR}:
            if len(value) % 4:
                raise ValueError("bad floats")
            found += [word for (word,) in struct.iter_unpack("<I", value)]  # bits: NaN equals NaN
        if kind == "int64" and wire == VARINT:
            found.append(signed(value))
        if kind == "int64" and wire == DELIMITED:
            pos = 0
            while pos < len(value):
                number_, pos = varint(value, pos)
                found.append(signed(number_))
    return found


def feature(message):
    """(kind, values), None where there is no kind."""
    found = None
    for number, wire, value in fields(message):
        if number in KINDS and wire == DELIMITED:
            kind = KINDS[number]
            before = found[1] if found and found[0] == kind else []
            found = kind, before + values(kind, value)
    return found


def feature_list(message):
    return [feature(value) for number, wire, value in fields(message) if (number, wire) == (1, 2)]


def entries(message, container):
    """{name: serialized value}: of Features (1) or FeatureLists (2)."""
    found = {}
    for number, wire, value in fields(message):
        if (number, wire) != (container, DELIMITED):
            continue
        for number_, wire_, entry in fields(value):
            if (number_, wire_) == (1, DELIMITED):
                own = [f for f in fields(entry) if f[1] == DELIMITED]
                keys = [v for n, _, v in own if n == 1]
                found[keys[-1] if keys else b""] = b"".join(v for n, _, v in own if n == 2)
    return found


# ------------------------------------------------------------ writing
def put_varint(value):
    value &= 2**64 - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def delimited(number, value):
    return put_varint(number << 3 | DELIMITED) + put_varint(len(value)) + value


def put_feature(kind, items):
    """As TensorFlow writes it."""
    if kind == "bytes":
        return delimited(1, b"".join(delimited(1, item) for item in items))
    if kind == "float":
        packed = struct.pack(f"<{len(items)}f", *items)
    else:
        packed = b"".join(map(put_varint, items))
    return delimited(2 if kind == "float" else 3, delimited(1, packed) if items else b"")


def put_entry(name, value):
    return delimited(1, delimited(1, name) + delimited(2, value))


def put_example(features):
    """Serialized Example of {name: (kind, values)}."""
    return delimited(1, b"".join(put_entry(n, put_feature(*f)) for n, f in features.items()))
