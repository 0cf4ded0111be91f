"""simlab.theory: equations, chains, densities and operators."""

from __future__ import annotations

import numpy as np
import sympy as sp

from simlab.theory import chain, expression, fokker_planck, quadrature, schemes, sde, sgd, transfer
from simlab.theory.chain import DT, Chain
from tests.domains.calls import Call

MODULES = [expression, sde, chain, schemes, quadrature, fokker_planck, transfer, sgd]

X, Y, T = sp.Symbol("x", real=True), sp.Symbol("y", real=True), sp.Symbol("T", positive=True)
OTHER = sp.Symbol("x")
WELL, VALUES = sde.langevin(X**4 / 4 - X**2 / 2, X, T), {"T": 0.5}
EULER_WELL = schemes.EULER(WELL)
PLANE = sde.SDE((X, Y), (-X, -Y), 1)
CIRCLE = schemes.HEUN(sde.SDE(X, 0, 1 + sp.sin(X) / 2))
ON_CIRCLE = transfer.koopman(CIRCLE, {"dt": 0.1}, 0.0, 2 * np.pi)
NO_EXPRESSION = [None, True, 1j, float("nan"), float("inf"), np.arange(3.0), [[X]], "x +", "import os", OTHER, sp.I * X]
NO_NUMBER = [None, "1", float("nan"), float("inf"), 1j, [1.0, 2.0]]
NO_SDE = [None, X, "x", WELL.drift, EULER_WELL, PLANE]
NO_VALUES = [None, {}, {"T": 0}, {"T": -1}, {T: 0.5, "T": 1}, {"T": "1"}, {"T": float("nan")}, {"T": 0.5, "b": 1}, 0.5]
MATRIX, COVARIANCE = np.array([[0.5, 0.25], [0, 0.5]]), np.eye(2)
NO_MATRIX = [None, "1", 1.0, [1.0, 2.0], np.ones((2, 3)), np.full((2, 2), np.nan), np.eye(3)]

CALLS = [
    Call(
        expression.parse, {"text": "x**2", "symbols": ("x",)},
        {"text": [None, 5, ["x"]], "symbols": [None, "x", 5, (5,), [X]]}, name="expression.parse",
    ),
    Call(
        sde.SDE,
        {"state": X, "drift": -X, "noise": 1, "calculus": "ito", "domain": (-1, 1), "boundary": "reflecting"},
        {
            "state": [None, "x", X**2, (), (X, X), 5], "drift": [*NO_EXPRESSION, (X, X), -X + sp.Symbol("t")],
            "noise": [*NO_EXPRESSION[:6], "x +", OTHER, [], [1, 2], [[1], [2]], [["x", 1], [2]]],
            "calculus": ["strat", None, 5],
            "domain": [
                {0, 1}, {"x": (0, 1)}, np.array(1.0),
                       (1, 0), (0, 0), 5, "x", (0, 1, 2), (0, float("nan")), (0, None), [(0, 1), (0, 1)]],
            "boundary": ["open", 5],
        },
    ),
    Call(
        sde.langevin, {"potential": "x**4/4 - x**2/2", "state": X, "temperature": T},
        {"potential": NO_EXPRESSION, "state": [None, "x", 5, ()], "temperature": [*NO_EXPRESSION[:9], 0, -1]},
    ),
    Call(
        chain.Chain, {"state": (X,), "update": (X / 2 + chain.unit_normals(1)[0],), "normals": chain.unit_normals(1)},
        {
            "state": [None, "x", (), (X, X)], "update": [*NO_EXPRESSION, (X, X), np.array(np.nan), [[1], [1, 2]]],
            "normals": ["xi0", 5, (X,), np.zeros(2), np.array(["a", "b"])],
        },
    ),
    Call(
        chain.unit_normals, {"count": 2},
        {"count": [-1, 1.5, "2", None, float("nan"), 1e300, 10**400, np.timedelta64(2, "s")]},
    ),
    Call(
        chain.stopped, {"chain": EULER_WELL, "alive": X < 1, "clock": "lifetime"},
        {"chain": [None, WELL, X], "alive": [None, X, True, "x < 1", OTHER < 1], "clock": ["x", "T", 5, None]},
    ),
    Call(
        schemes.Scheme,
        {
            "name": "mine", "step": schemes.EULER.step, "calculus": "ito", "weak_order": 1, "strong_order": 1,
            "source": "",
        },
        anything=dict.fromkeys(
            ("name", "step", "calculus", "weak_order", "strong_order", "source"), "a record of what a test measures"
        ),
    ),
    Call(schemes.Scheme.__call__, {"self": schemes.EULER, "sde": WELL}, {"sde": [None, X, "x"]}, {"self": "a scheme"}),
    Call(
        schemes.baoab,
        {"potential": "x**2/2", "position": X, "velocity": Y, "friction": 1, "temperature": T},
        {
            "potential": [*NO_EXPRESSION, Y**2], "position": [None, "x", 5], "velocity": [None, "y", X, (X, Y)],
            "friction": [*NO_EXPRESSION[:9], -1, X], "temperature": [*NO_EXPRESSION[:9], -1, X],
        },
    ),
    Call(
        quadrature.panels, {"low": 0.0, "high": 1.0, "breaks": [0.5], "count": 4},
        {
            "low": [*NO_NUMBER, 1.0, -1e308], "high": [*NO_NUMBER, 0.0, 1e308],
            "breaks": [None, "x", [float("nan")], 0.5],
            "count": [0, -1, 1.5, "4", None, 10**8, 2**63, 10**400],
        },
    ),
    Call(
        quadrature.Panels, {"edges": np.array([0.0, 1.0]), "chart": quadrature.Chart()},
        anything={"edges": "made by `panels`, which checks them", "chart": "a change of variables"},
    ),
    Call(
        quadrature.kinks, {"x": X, "e": abs(X), "values": {}, "low": -1.0, "high": 1.0, "grid": None, "most": 10},
        {"low": [*NO_NUMBER, 1.0], "high": [*NO_NUMBER, -1.0], "e": [None, "x", [X]], "values": [None, 5, [1.0]]},
        {"x": "a symbol", "grid": "points", "most": "a number of points"},
    ),
    Call(
        quadrature.numeric, {"x": X, "e": X**2, "values": {}}, {
            "x": [None, "x", 5], "e": [None, "x", [X], sp.zoo, sp.DiracDelta(X), sp.floor(X).diff(X)],
            "values": [None, 5, [1.0]],
        },
    ),
    Call(fokker_planck.stationary, {"sde": sde.SDE(X, -X, 1)}, {"sde": NO_SDE}),
    Call(
        fokker_planck.residual, {"sde": sde.SDE(X, -X, 1), "density": sp.exp(-(X**2))},
        {"sde": NO_SDE, "density": NO_EXPRESSION},
    ),
    Call(fokker_planck.modified_equation, {"sde": WELL}, {"sde": [*NO_SDE, sde.SDE(X, -X, 1 + X**2)]}),
    Call(fokker_planck.density_correction, {"sde": WELL}, {"sde": [*NO_SDE, sde.SDE(X, -X, 1 + X**2)]}),
    Call(
        fokker_planck.slope, {"sde": WELL, "observable": "x**2", "values": VALUES},
        {"sde": NO_SDE, "observable": NO_EXPRESSION, "values": NO_VALUES},
    ),
    Call(
        fokker_planck.euler_harmonic_variance, {"k": 2, "s": 1, "dt": 0.1},
        {
            "k": [*NO_EXPRESSION[:9], 0, -1], "s": [*NO_EXPRESSION[:9], 0, -1],
            "dt": [*NO_EXPRESSION[:9], 0, -1, 1, 2, [[1], [1, 2]]],
        },
    ),
    Call(
        fokker_planck.density, {"sde": WELL, "values": VALUES},
        {"sde": [*NO_SDE, sde.SDE(X, -X, 0)], "values": NO_VALUES},
    ),
    Call(
        fokker_planck.Density.expect, {"self": fokker_planck.density(WELL, VALUES), "f": np.square},
        {"f": [lambda x: np.exp(x**4), None, 1.0, "x"]}, {"self": "a density"},
    ),
    Call(
        fokker_planck.Density.pdf, {"self": fokker_planck.density(WELL, VALUES), "x": [0, 1, 2]},
        {"x": ["x", [1j], [[1], [1, 2]]]}, {"self": "a density"}, ["x"],
    ),
    Call(
        fokker_planck.Density.cdf, {"self": fokker_planck.density(WELL, VALUES), "x": [0, 1, 2]},
        {"x": ["x", [1j], [[1], [1, 2]]]}, {"self": "a density"}, ["x"],
    ),
    Call(
        fokker_planck.mean_first_passage, {"sde": WELL, "values": VALUES, "start": -1.0, "target": 1.0},
        {"sde": NO_SDE, "values": NO_VALUES, "start": NO_NUMBER, "target": NO_NUMBER},
    ),
    Call(
        fokker_planck.kramers, {"potential": "x**4/4 - x**2/2", "temperature": 0.1, "bottom": -1.0, "top": 0.0},
        {
            "potential": [None, 5, "x*y", X * Y, np.arange(3.0)], "temperature": [*NO_NUMBER, 0, -1],
            "bottom": [*NO_NUMBER, 0.0, 0.5, -0.9], "top": [*NO_NUMBER, -1.0, 1.0, 0.1],
        },
    ),
    Call(
        transfer.gaussian, {"chain": EULER_WELL, "values": {**VALUES, DT: 0.1}, "low": None, "high": 0.5},
        {
            "chain": [None, WELL, X, schemes.EULER(PLANE), Chain((X,), (X / 2,), ())],
            "values": [None, {}, VALUES, {**VALUES, "dt": 0.1, "b": 1}, {"T": 0.5, "dt": "x"}],
            "low": ["0", float("nan"), 0.5, 1.0, -1e300], "high": ["0", float("nan"), float("inf"), -1e300, 1e300],
        },
    ),
    Call(
        transfer.koopman,
        {"chain": CIRCLE, "values": {"dt": 0.1}, "low": 0.0, "high": 2 * np.pi, "nodes": 161, "draws": 201},
        {
            "chain": [None, WELL, X, schemes.EULER(PLANE), Chain((X,), (X / 2,), ())],
            "values": [None, {}, {"dt": 0.1, "b": 1}], "low": [*NO_NUMBER, 7.0], "high": [*NO_NUMBER, 0.0],
            "nodes": [0, 2, -5, 1.5, "9", 10**6], "draws": [0, 2, -5, 1.5, "9"],
        },
    ),
    Call(
        transfer.Transfer.expect, {"self": ON_CIRCLE, "f": np.sin}, {"f": [None, 1.0, "x"]}, {"self": "an operator"},
    ),
    Call(
        transfer.Transfer.bin_probabilities, {"self": ON_CIRCLE, "edges": [0, 1, 2]},
        {"edges": [None, "x", 1.0, [1], [1, 0], [0, float("nan")], [0, float("inf")]]}, {"self": "an operator"},
        ["edges"],
    ),
    Call(
        sde.SDE.subs, {"self": WELL, "values": {"T": 0.5}}, {"values": [None, 0.5, {T: [1]}]}, {"self": "an equation"},
    ),
    Call(sde.SDE.to, {"self": WELL, "calculus": "ito"}, {"calculus": ["strat", None, 5]}, {"self": "an equation"}),
    Call(
        transfer.Transfer.first_passage,
        {"self": transfer.gaussian(EULER_WELL, {**VALUES, DT: 0.1}, high=0.5), "start": -1.0},
        {"start": [*NO_NUMBER, 0.6]}, {"self": "an operator"},
    ),
    Call(
        sgd.sgd, {"loss": "x**2*y**2/2", "state": (X, Y), "noise": [0, 1]},
        {"loss": NO_EXPRESSION, "state": [None, "x", (), (X, X)], "noise": [None, [1, 1, 1], "x +", [0, float("nan")]]},
    ),
    Call(
        sgd.normal_variance, {"h": sp.Integer(2), "noise": 1}, {"h": NO_EXPRESSION[:9], "noise": NO_EXPRESSION[:9]}
    ),
    Call(
        sgd.mean_drift, {"h": "1 + x**2", "noise": 1, "x": X},
        {"h": NO_EXPRESSION, "noise": NO_EXPRESSION, "x": ["x", 5, X**2]},
    ),
    Call(
        sgd.label_noise_potential, {"h": 1 + X**2, "sigma": 1},
        {"h": NO_EXPRESSION[:9], "sigma": NO_EXPRESSION[:9]},
    ),
    Call(
        sgd.reduced, {"h": "2 + sin(x)", "noise": 1, "kick": 1, "x": X},
        {"h": NO_EXPRESSION, "noise": NO_EXPRESSION[:9]}, {"kick": "any noise of an SDE", "x": "a symbol"},
    ),
    Call(
        sgd.discrete_covariance, {"step": MATRIX, "noise": COVARIANCE},
        {"step": [*NO_MATRIX[:-1], np.eye(2), 2 * np.eye(2)], "noise": NO_MATRIX}, arrays=["noise"],
    ),
    Call(
        sgd.linear_chain_moments,
        {"step": MATRIX, "shift": [1, 2], "noise": COVARIANCE, "mean": [0, 1], "covariance": COVARIANCE, "steps": 5},
        {
            "step": NO_MATRIX[:-1], "shift": [None, "x", [1], [1, float("nan")]], "noise": NO_MATRIX,
            "mean": [None, "x", [1], [1, float("nan")]], "covariance": NO_MATRIX, "steps": [-1, 1.5, "5", None],
        },
        arrays=["shift", "mean", "noise", "covariance"],
    ),
]  # fmt: skip
