"""The transform codec (container kind 1): block DCT, quantization, stages, regions (FORMAT.md sections 2 to 8)."""
