"""Tables of a batch that encoding and decoding share: chunks, tiles, indices."""
