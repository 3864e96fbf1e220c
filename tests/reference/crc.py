"""Section 0: the crc, a bit at a time for the table, a byte at a time for the bytes."""

POLYNOMIAL = 0x82F63B78  # of CRC-32C, its bits reflected


def _entry(byte):
    for _ in range(8):
        byte = byte >> 1 ^ POLYNOMIAL * (byte & 1)
    return byte


TABLE = [_entry(byte) for byte in range(256)]


def crc32c(data):
    """The crc of bytes."""
    state = 0xFFFFFFFF
    for byte in bytes(data):
        state = state >> 8 ^ TABLE[(state ^ byte) & 255]
    return state ^ 0xFFFFFFFF
