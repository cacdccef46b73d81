"""What is measured, and how: the detector on labelled images, with a DEM and adapted; super-resolution; landforms."""

from .dem import bench_dem, format_dem_table
from .detect import bench_detect
from .detect_report import format_report, format_table
from .finetune import bench_finetune, format_finetune
from .segment import bench_segment, format_segment
from .superres import bench_superres
from .superres_report import format_tables

__all__ = [
    "bench_dem",
    "bench_detect",
    "bench_finetune",
    "bench_segment",
    "bench_superres",
    "format_dem_table",
    "format_finetune",
    "format_report",
    "format_segment",
    "format_table",
    "format_tables",
]
