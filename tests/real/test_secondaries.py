"""Clustering against the experts' classes of Martian craters."""

import pandas as pd
import pytest

from craterlab.bench.characterize_secondaries import PRIMARY
from craterlab.bench.ranking import auc
from craterlab.characterize.secondaries import secondaries


def test_secondaries_of_northern_mars_are_told_from_primaries(data):
    """The ground around Lyot, whose secondaries reach far (Robbins & Hynek 2011)."""
    file = data / "mars_catalogue" / "craters.parquet"
    if not file.is_file():
        pytest.skip("needs mars_catalogue")
    table = pd.read_parquet(file)
    table = table[table.lon.between(0, 60) & (table.lat > 35)].reset_index(drop=True)
    found = secondaries(table.drop(columns="class"), body="Mars", progress=False)
    kind = table["class"].astype(str)
    used = kind.isin([*PRIMARY, "secondary"]) & found.secondary_probability.notna()
    assert auc(found.secondary_probability[used].to_numpy(), (kind[used] == "secondary").to_numpy()) > 0.75
    flagged = found.secondary.fillna(False).astype(bool)
    assert (kind[used & flagged] == "secondary").mean() > 2 * (kind[used] == "secondary").mean()
    assert found.cluster_id.nunique() > 10
