"""What is measured, and how: detector, super-resolution, what is said of craters, ages, landforms."""

from .characterize import bench_characterize
from .characterize_report import format_characterize
from .dating import bench_dating, format_dating
from .dem import bench_dem, format_dem_table
from .detect import bench_detect
from .detect_report import format_report, format_table
from .finetune import bench_finetune, format_finetune
from .segment import bench_segment, format_segment
from .superres import bench_superres
from .superres_report import format_tables

__all__ = [
    "bench_characterize",
    "bench_dating",
    "bench_dem",
    "bench_detect",
    "bench_finetune",
    "bench_segment",
    "bench_superres",
    "format_characterize",
    "format_dating",
    "format_dem_table",
    "format_finetune",
    "format_report",
    "format_segment",
    "format_table",
    "format_tables",
]
