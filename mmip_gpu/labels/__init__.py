"""The codec of labels, kind 8: segmentations as exact arrays."""
