"""Samples and where they are: axes, regions, classes of interest, float steps, colour, phantoms."""
