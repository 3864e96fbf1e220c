"""Reports of results: pages of a benchmark's records, and the tables and figures of the committed studies."""

from mmip_gpu.bench.report.figure_rows import score_rows, speed_rows
from mmip_gpu.bench.report.page import write_report
from mmip_gpu.bench.report.pictures import save_pictures

__all__ = ["save_pictures", "score_rows", "speed_rows", "write_report"]
