"""Samples predicted from their neighbours, and the residuals coded: one payload, lossless or with a bounded error."""
