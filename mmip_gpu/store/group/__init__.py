"""The Zarr group of a store: keys, records, metadata, claims (FORMAT.md section 10)."""
