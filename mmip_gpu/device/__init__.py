"""The GPU path: kernels of phases, the executors that run them, and the pipelines over batches of chunks.

Values: NumPy or CuPy arrays; kernel parameters as structured scalars. The kernels (kernels/*.h) hold no rule of their
own: arithmetic is that of ../rules. One pipeline serves both executors, so that all of it but the launches is tested on
the CPU.
"""

from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import Executor, HostExecutor

__all__ = ["CudaExecutor", "Executor", "HostExecutor"]
