"""The cratering chronology of Vesta by O'Brien et al. (2014): collisional decay, a late bombardment, early depletion.

The paper gives the impact rate relative to today's. Counted back from the present it is

    t < t_lhb:   c_cd u^-beta + c_lhb exp(lambda t),        u = t_lhb - t + epsilon
    t >= t_lhb:  f_lhb f_cd + c_pd exp((t - t_o) / tau)

with c_cd = (t_lhb + epsilon)^beta (the rate today is 1), f_cd = c_cd epsilon^-beta (the decaying part at t_lhb),
c_lhb = (f_lhb - 1) f_cd exp(-lambda t_lhb), and c_pd = m_o - f_lhb f_cd (the rate at t_o is m_o). Its integral is
the number of craters in units of what forms in 1 Ga at today's rate. `scale` turns that into N(1): craters >= 1 km per
km2 and Ga at today's rate, 10^a0 of the production function that goes with it (Marchi et al. 2014). The file of
craterstats has no such factor; without it a surface of 1 Ga would hold one crater >= 1 km on every km2, 50 times what
Schmedemann et al. (2014) and Marchi et al. have.

O'Brien, D.P. et al., 2014, Constraining the cratering chronology of Vesta, Planet. Space Sci. 103, 131-142.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NAMES = ("scale", "t_o", "t_lhb", "lambda_lhb", "f_lhb", "tau_pd", "beta", "epsilon", "m_o")


def _constants(p: Mapping[str, float]) -> tuple[float, float, float, float]:
    c_cd = (p["t_lhb"] + p["epsilon"]) ** p["beta"]
    f_cd = c_cd * p["epsilon"] ** -p["beta"]
    c_lhb = (p["f_lhb"] - 1) * f_cd * np.exp(-p["lambda_lhb"] * p["t_lhb"])
    return c_cd, f_cd, c_lhb, p["m_o"] - p["f_lhb"] * f_cd


def n1(t: Floats, p: Mapping[str, float]) -> Floats:
    """N(>=1 km) per km2 of a surface of age t (Ga)."""
    c_cd, f_cd, c_lhb, c_pd = _constants(p)
    t_lhb, eps, power = p["t_lhb"], p["epsilon"], 1 - p["beta"]
    young = np.minimum(t, t_lhb)
    # (t_lhb + eps)^power - (t_lhb - t + eps)^power, exact for small t too
    left = -((t_lhb + eps) ** power) * np.expm1(power * np.log1p(-young / (t_lhb + eps)))
    total = c_lhb / p["lambda_lhb"] * np.expm1(p["lambda_lhb"] * young) + c_cd / power * left
    old = np.maximum(t, t_lhb)
    early = np.exp((old - p["t_o"]) / p["tau_pd"]) - np.exp((t_lhb - p["t_o"]) / p["tau_pd"])
    return p["scale"] * (total + p["f_lhb"] * f_cd * (old - t_lhb) + c_pd * p["tau_pd"] * early)


def rate(t: Floats, p: Mapping[str, float]) -> Floats:
    """dN(1)/dt per km2 and Ga at t (Ga) before present."""
    c_cd, f_cd, c_lhb, c_pd = _constants(p)
    young = np.minimum(t, p["t_lhb"])
    late = c_cd * (p["t_lhb"] - young + p["epsilon"]) ** -p["beta"] + c_lhb * np.exp(p["lambda_lhb"] * young)
    early = p["f_lhb"] * f_cd + c_pd * np.exp((t - p["t_o"]) / p["tau_pd"])
    return p["scale"] * np.where(t < p["t_lhb"], late, np.where(np.isnan(t), np.nan, early))
