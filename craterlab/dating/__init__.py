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
from .own_functions import read_functions
from .plots import plot_sfd
from .poisson import age_quantiles
from .ranges import SuggestedRange, default_range_km, snap_range, suggest_range
from .result import Age
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
    "SuggestedRange",
    "System",
    "age",
    "age_quantiles",
    "chronology",
    "default_range_km",
    "default_system",
    "epochs",
    "equilibrium",
    "order_probabilities",
    "plot_sfd",
    "production",
    "read_functions",
    "sequence_probabilities",
    "sfd",
    "snap_range",
    "suggest_range",
    "synthetic_surface",
    "system",
    "systems",
]
