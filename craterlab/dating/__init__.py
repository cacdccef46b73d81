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
from .nonsparse import nonsparse_age, nonsparse_areas
from .plot_panels import plot_age, plot_chronology, plot_randomness
from .plot_recipes import replot, save_figure
from .plots import plot_sfd
from .randomness import Randomness, randomness
from .saturation import saturation

__all__ = [
    "SFD",
    "Age",
    "Chronology",
    "Epoch",
    "Equilibrium",
    "Production",
    "Randomness",
    "System",
    "age",
    "age_quantiles",
    "chronology",
    "default_range_km",
    "default_system",
    "epochs",
    "equilibrium",
    "nonsparse_age",
    "nonsparse_areas",
    "plot_age",
    "plot_chronology",
    "plot_randomness",
    "plot_sfd",
    "production",
    "randomness",
    "replot",
    "saturation",
    "save_figure",
    "sfd",
    "snap_range",
    "system",
    "systems",
]
