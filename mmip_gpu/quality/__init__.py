"""How good a decoding is: errors, structural similarity, tables and pictures."""
