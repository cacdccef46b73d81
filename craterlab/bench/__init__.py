"""What is measured, and how: the detector on labelled images and with a DEM, super-resolution on degraded ones."""

from .dem import bench_dem, format_dem_table
from .detect import bench_detect, format_table
from .superres import bench_superres
from .superres_report import format_tables

__all__ = ["bench_dem", "bench_detect", "bench_superres", "format_dem_table", "format_table", "format_tables"]
