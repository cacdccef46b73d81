"""Dating: size-frequency distributions, production and chronology functions, and the ages that follow from them."""

from .ages import Age, age, age_quantiles
from .counting import SFD, default_range_km, sfd, snap_range
from .functions import (
    Chronology,
    Epoch,
    Equilibrium,
    Production,
    System,
    chronology,
    default_system,
    epochs,
    equilibrium,
    production,
    system,
    systems,
)
from .plots import plot_sfd

__all__ = [
    "SFD",
    "Age",
    "Chronology",
    "Epoch",
    "Equilibrium",
    "Production",
    "System",
    "age",
    "age_quantiles",
    "chronology",
    "default_range_km",
    "default_system",
    "epochs",
    "equilibrium",
    "plot_sfd",
    "production",
    "sfd",
    "snap_range",
    "system",
    "systems",
]
