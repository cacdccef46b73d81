"""Dating: size-frequency distributions, production and chronology functions, and the ages that follow from them."""

from .ages import age
from .counting import SFD, sfd
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
from .live import LiveCount
from .nonsparse import nonsparse_age, nonsparse_areas
from .own_functions import read_functions
from .plot_panels import plot_age, plot_chronology, plot_randomness
from .plot_recipes import replot, save_figure
from .plots import plot_sfd
from .poisson import age_quantiles
from .randomness import Randomness, randomness
from .ranges import SuggestedRange, default_range_km, snap_range, suggest_range
from .result import Age
from .saturation import saturation
from .sequence import order_probabilities, sequence_probabilities
from .synthetic import synthetic_surface

__all__ = [
    "SFD",
    "Age",
    "Chronology",
    "Epoch",
    "Equilibrium",
    "LiveCount",
    "Production",
    "Randomness",
    "SuggestedRange",
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
    "order_probabilities",
    "plot_age",
    "plot_chronology",
    "plot_randomness",
    "plot_sfd",
    "production",
    "randomness",
    "read_functions",
    "replot",
    "saturation",
    "save_figure",
    "sequence_probabilities",
    "sfd",
    "snap_range",
    "suggest_range",
    "synthetic_surface",
    "system",
    "systems",
]
