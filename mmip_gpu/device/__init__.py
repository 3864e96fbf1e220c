"""The GPU path: kernels of phases, the executors that run them, and the pipelines over batches of chunks.

Values: NumPy or CuPy arrays; kernel parameters as structured scalars. The kernels (kernels/*.h) hold no rule of their
own: their arithmetic stands in ../rules. One pipeline serves both executors, so that all of it but the launches is
tested on the CPU. device/encode/batch.py and device/decode/batch.py are its tables of contents.
"""
