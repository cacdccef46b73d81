"""Crater tables for tests of reading and writing."""

import numpy as np
import shapely

ALL = (".parquet", ".gpkg", ".csv", ".shp", ".scc", ".diam")
WITH_ATTRS = (".parquet", ".gpkg", ".scc", ".diam")
PROVENANCE = {
    "scene": "B20_017508_1901.cub",
    "weights": "craternet",
    "sha256": "0" * 64,
    "config": {"threshold": 0.4, "levels": [0, 1]},
    "version": "0.1.0",
}
OPENCRATERTOOL = """# Spatial crater count
#
# Ellipsoid axes:
a-axis radius = 1737.4 <km>
b-axis radius = 1737.4 <km>
c-axis radius = 1737.4 <km>
coordinate_system_name = Equirectangular_Moon
#
# area_shapes:
unit_boundary = {vertex, sub_area, tag, lon, lat
#
# Area_name 1 = no name
# Area_size 1 = 10.5 <km^2>
#
1	1	ext	10.0	20.0
2	1	ext	11.0	20.0
3	1	ext	11.0	21.0
4	1	ext	10.0	20.0
}
#
Total_area = 10.5 <km^2>
Total_perimeter = 21.36 <km>
#
# crater_diameters:
crater = {diam, fraction, lon, lat, topo_scale_factor
1.25	1	10.5	20.25	1
0.5	0.7	10.75	20.5	1
}
"""


def table(n=5, crs="IAU_2015:49900", seed=0, **columns):
    import geopandas as gpd

    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(-170, 170, n), rng.uniform(-80, 80, n)
    size = rng.uniform(100, 5000, n)
    degrees = np.degrees(size / 2 / 3396190.0)
    out = gpd.GeoDataFrame(
        {
            "crater_id": np.arange(n),
            "x_px": rng.uniform(0, 1000, n),
            "y_px": rng.uniform(0, 1000, n),
            "diameter_px": size / 6,
            "lon": lon,
            "lat": lat,
            "diameter_m": size,
            "score": rng.uniform(size=n),
            **columns,
        },
        geometry=shapely.buffer(shapely.points(lon, lat), degrees),
        crs=crs,
    )
    out.attrs = {**PROVENANCE, "area_km2": 1234.5}
    return out
