"""The theory of nets and of directions: what each function takes, and what lies just outside of it."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pandas as pd
import sympy as sp

from simlab.nn.layers import infinite_width as kernels
from simlab.theory import (
    activations,
    arguments,
    ensembles,
    gaussian,
    least_squares,
    memory_split,
    norm_dynamics,
    random_features,
    scale_invariant,
    three_regimes,
    von_mises_fisher,
)
from simlab.theory.ensembles import Law
from simlab.theory.sgd import LR
from simlab.theory.von_mises_fisher import VonMisesFisher
from tests.domains.calls import Call, public

MODULES = [
    activations, arguments, ensembles, gaussian, kernels, least_squares, memory_split, norm_dynamics, random_features,
    scale_invariant, three_regimes, von_mises_fisher,
]  # fmt: skip

NAN, INF = float("nan"), float("inf")
NO_NUMBER: list[Any] = [NAN, INF, "1", None, True, 1j, [1.0, 2.0]]
NO_NUMBERS: list[Any] = [NAN, INF, "1", None, 1j, [1.0, NAN], [1.0, "a"], [[1.0], [1.0, 2.0]]]
SIZE = [*NO_NUMBER, 0, -1.0, 9e-61, 1.1e60]
SIZES = [*NO_NUMBERS, 0, -1.0, 9e-61, 1.1e60, [1.0, 0.0]]
ZERO = [*NO_NUMBER, -1e-9, 1.1e60]
ZEROS = [*NO_NUMBERS, -1e-9, 1.1e60, [1.0, -1.0]]
RIDGES = [*ZEROS, 1e-61]
COUNTS = [*NO_NUMBERS, -1, 2.5, 1e16]
MOMENTA = [*NO_NUMBERS, -1e-9, 1.0]
DECAYS = [*ZEROS, 1e-61]
DIMENSIONS = [*NO_NUMBERS, 1, 2.5, 1e16]
MEMBERS = [NAN, "1", None, 0.5, -1, [1.0, 0.0]]
ACTIVATIONS = [
    "swish",
    3.5,
    None,
    [1],
    np.ones(3),
    pd.Series([1.0, 2.0]),
    np.tan,
    lambda x: np.exp(x**2),
    lambda x: x[:2],
    lambda x: 2 * x,
]
EXPRESSIONS = ["x", NAN, INF, None, [1.0], sp.oo, np.ones(2)]
PROBABILITIES = [-1e-9, 1.1, INF, "1", None]
GROUPS = {"rf": {"psi1": SIZES, "psi2": SIZES, "ridge": RIDGES}}
MODEL = {"activation": ACTIVATIONS, "signal": ZEROS, "nonlinear": ZEROS, "noise": ZEROS, "members": MEMBERS}
RELU = activations.moments("relu")
MOMENTS: list[Any] = ["relu", None, (1.0, 1.0, 1.0), RELU._replace(mu2=0.0), RELU._replace(mu1=NAN)]
LAW = VonMisesFisher(3.0, 5)
SPECTRUM = {"spectrum": [2.0, 1.0, 4.0], "power": [1.0, 2.0, 1.0]}
ROWS = [*ZEROS, [[1.0, 2.0, 3.0]], []]
SPLIT = memory_split.best_split([4.0, 8.0], 3.0, 0.1)
W, V, G = norm_dynamics.WEIGHTS, norm_dynamics.VELOCITY, norm_dynamics.GRADIENT
STATE = np.array([[3.0, 1.0], [4.0, 2.0]])
P = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
ONE_HOT = np.eye(3)[[[0, 1], [2, 1], [1, 1]]]
COVARIANCES = kernels.Covariances(np.eye(2), np.eye(2), np.ones(2), np.ones(2), True)
SCALED = {
    "lr": SIZES, "weight_decay": DECAYS, "gradient_square": ZEROS, "momentum": MOMENTA, "rho0": SIZES, "rho": SIZES,
    "sigma": SIZES, "dimension": DIMENSIONS, "kappa": ZEROS, "variation": ZEROS, "sharpness": ZEROS, "rho_max": SIZES,
    "rho_crit": SIZES, "step": ZEROS, "steps": [*NO_NUMBER, -1, 2.5, 10**8],
}  # fmt: skip
MEASURED = [INF, "1", 1j, 1.1e60]


def scaled(function: Any, **arguments: Any) -> Call:
    """A function of `scale_invariant`, whose arguments have one domain each."""
    outside = {name: SCALED[name] for name in inspect.signature(function).parameters}
    return Call(function, arguments, outside, arrays=[name for name in arguments if name not in ("lr", "steps")])


def together(function: Any, why: str, outside: dict[str, list[Any]], **arguments: Any) -> Call:
    """What is refused although each argument is in its own domain."""
    above = {name: "its own domain is above" for name in arguments if name not in outside}
    return Call(function, arguments, outside, above, name=why)


CALLS = [
    Call(VonMisesFisher, {"concentration": 3.0, "dimension": 5}, {
        "concentration": [*NO_NUMBER, -1e-9, 1.1e12], "dimension": [*NO_NUMBER, 1, 2.5, 10**16],
    }),
    Call(LAW.pdf, {"cosine": [0.0, 1.0]}, {"cosine": ["1", 1j]}, arrays=["cosine"]),
    Call(LAW.cdf, {"cosine": [0.0, 1.0]}, {"cosine": ["1", 1j]}, arrays=["cosine"]),
    Call(LAW.survival, {"cosine": [0.0, 1.0]}, {"cosine": ["1", 1j]}, arrays=["cosine"]),
    Call(LAW.probabilities, {"edges": [0.0, 1.0]}, {"edges": [NAN, [0.0, NAN], [1.0, 0.0], [0.5], 0.5, "1", None]},
         arrays=["edges"]),
    Call(LAW.quantile, {"probability": [0.0, 1.0]}, {"probability": [*NO_NUMBERS, -1e-9, 1.001]},
         arrays=["probability"]),
    Call(von_mises_fisher.mean_cosine, {"concentration": [1.0, 3.0], "dimension": [5, 2]}, {
        "concentration": [*NO_NUMBERS, -1e-9, 1.1e12], "dimension": DIMENSIONS,
    }, arrays=["concentration", "dimension"]),
    *(
        Call(f, {"loss": sp.cos(von_mises_fisher.ANGLE), "temperature": sp.Symbol("T"), "dimension": 3},
             {"loss": [*EXPRESSIONS, sp.Symbol("theta"), sp.Matrix([[1, 2]])],
              "temperature": [*EXPRESSIONS, 0, -1, sp.I], "dimension": [*EXPRESSIONS, 1, 2.5, sp.I]})
        for f in (von_mises_fisher.diffusion, von_mises_fisher.zonal_density, von_mises_fisher.zonal_residual)
    ),
    Call(activations.closed_form, {"name": "relu"}, {"name": ["swish", None, 3.5, np.tanh]}),
    Call(activations.moments, {"activation": np.tanh}, {"activation": ACTIVATIONS}),
    Call(gaussian.sample, {"name": "f", "function": np.sign}, {}, {
        "name": "how the function is called in a message", "function": "refused by the name given, as in `moments`",
    }),
    Call(gaussian.Sample, {"x": [1.0], "weight": [1.0], "a": [1.0]}, {},
         dict.fromkeys(("x", "weight", "a"), "part of an answer")),
    Call(arguments.together, {"one": np.ones(2), "two": np.ones((3, 1))},
         {"two": [np.ones(3), [[1], [1, 2]], "x", None]}),
    Call(arguments.sizes, {"name": "values", "values": [1.0, 2.0]}, {"values": SIZES}, {"name": "any word"},
         ["values"]),
    Call(arguments.size, {"name": "value", "value": 2.0}, {"value": SIZE}, {"name": "any word"}),
    Call(arguments.zero_or_sizes, {"name": "values", "values": [0.0, 2.0]}, {"values": ZEROS}, {"name": "any word"},
         ["values"]),
    Call(arguments.counts, {"name": "values", "values": [0.0, 2.0], "at_least": 0}, {"values": COUNTS},
         {"name": "any word", "at_least": "any number"}, ["values"]),

    Call(least_squares.transform, {}),
    *(
        Call(f, {"gamma": [1.0, 2.0], "ridge": [1.0, 0.0], "signal": 1.0, "noise": 2.0},
             {"gamma": SIZES, "ridge": RIDGES, "signal": ZEROS, "noise": ZEROS},
             arrays=["gamma", "ridge", "signal", "noise"])
        for f in (least_squares.parts, least_squares.risk)
    ),
    Call(least_squares.optimal_ridge, {"gamma": [1.0, 2.0], "signal": 1.0, "noise": 2.0},
         {"gamma": SIZES, "signal": ZEROS, "noise": ZEROS}, arrays=["gamma", "signal", "noise"]),
    Call(least_squares.spectrum_risk, {**SPECTRUM, "examples": 2.0, "ridge": [1.0, 2.0], "noise": 1.0}, {
        "spectrum": ROWS, "power": ROWS, "examples": SIZES, "ridge": RIDGES, "noise": ZEROS,
    }, arrays=["spectrum", "power", "examples", "ridge", "noise"]),
    Call(least_squares.effective_ridge, {"spectrum": SPECTRUM["spectrum"], "examples": 2.0, "ridge": [1.0, 2.0]},
         {"spectrum": ROWS, "examples": SIZES, "ridge": RIDGES}, arrays=["spectrum", "examples", "ridge"]),
    Call(least_squares.marchenko_pastur, {"gamma": 2.0, "halvings": 5},
         {"gamma": SIZE, "halvings": [0, 2.5, 501, NAN, "1", None]}),
    Call(least_squares.gradient_descent, {"gamma": 1.0, "steps": [0, 5], "lr": 0.1, "signal": 1.0, "noise": 0.5}, {
        "gamma": SIZE, "steps": COUNTS, "lr": [*SIZE, 0.5, 0.6], "signal": ZERO, "noise": ZERO,
    }, arrays=["steps"]),
    Call(least_squares.gradient_flow, {"gamma": 1.0, "times": [0.0, 5.0], "signal": 1.0, "noise": 0.5},
         {"gamma": SIZE, "times": [*ZEROS, -3], "signal": ZERO, "noise": ZERO}, arrays=["times"]),
    Call(least_squares.two_speeds, {**SPECTRUM, "lr": 0.1, "steps": [1, 5], "examples": 40, "noise": 0.5}, {
        "spectrum": ROWS, "power": ROWS, "lr": [*ROWS, 0.5, 1e9], "steps": COUNTS, "examples": [*SIZE, 6, 11],
        "noise": ZERO,
    }, arrays=["spectrum", "power", "steps"]),
    Call(least_squares.matching_steps, {**SPECTRUM, "lr": 0.1, "examples": 40, "noise": 0.5}, {
        "spectrum": [*ROWS, [1.0, 0.0]], "power": [*ROWS, [0.0, 1.0]], "lr": [*SIZE, 0.5], "examples": SIZE,
        "noise": SIZE,
    }, arrays=["spectrum", "power"]),
    Call(least_squares.checked, {"gamma": 1.0, "members": INF, "noise": 0.0, "ridge": 0.0},
         {"gamma": SIZES, "members": MEMBERS, "noise": ZEROS, "ridge": RIDGES}),

    *(
        Call(f, {"psi1": [1.0, 2.0], "psi2": 3.0, "ridge": 1.0, "m": RELU}, {**GROUPS["rf"], "m": MOMENTS},
             arrays=["psi1", "psi2", "ridge"])
        for f in (random_features.solve, random_features.effective_ridge)
    ),
    *(
        Call(f, {"psi1": [1.0, 2.0], "psi2": 3.0, "ridge": 1.0, "activation": "tanh", "signal": 1.0, "nonlinear": 1.0,
                 "noise": 2.0, "members": 2}, {**GROUPS["rf"], **MODEL},
             arrays=["psi1", "psi2", "ridge", "signal", "nonlinear", "noise", "members"])
        for f in (random_features.parts, random_features.risk)
    ),
    Call(memory_split.split_risk, {"psi1": [1.0, 2.0], "budget": 4.0, "psi2": 3.0, "ridge": 1.0, "noise": 1.0},
         {**GROUPS["rf"], "budget": SIZES, "noise": ZEROS}, arrays=["psi1", "budget", "psi2", "ridge"]),
    Call(memory_split.best_split, {"budget": [1.0, 2.0], "psi2": 3.0, "ridge": 1.0, "noise": 1.0}, {
        "budget": [*NO_NUMBERS, 0.02, -1, 1.1e60, [[1.0]], []], "psi2": SIZE, "ridge": [*ZERO, 1e-61], "noise": ZERO,
    }, arrays=["budget"]),
    Call(memory_split.local_exponent, {"split": SPLIT, "floor": 0.0}, {
        "split": ["a", None, memory_split.best_split(1.0, 3.0, 0.1), memory_split.best_split([2.0, 1.0], 3.0, 0.1)],
        "floor": [*NO_NUMBER, 1.0],
    }),

    Call(norm_dynamics.mean_product, {"a": W - LR * V, "b": V + G}, {
        "a": [*EXPRESSIONS, W**2, W + 1, sp.sin(W)], "b": [*EXPRESSIONS, W * V, 1],
    }),
    *(Call(f, {}) for f in public(norm_dynamics) if f is not norm_dynamics.mean_product),

    scaled(scale_invariant.equilibrium_norm, lr=0.1, weight_decay=[1.0, 2.0], gradient_square=3.0, momentum=0.0),
    scaled(scale_invariant.norm_variance, lr=0.1, weight_decay=1.0, variation=[0.0, 1.0]),
    scaled(scale_invariant.relaxation, rho0=[1.0, 2.0], lr=0.1, weight_decay=1.0, gradient_square=3.0, steps=3),
    scaled(scale_invariant.relaxation_limit, rho0=[1.0, 2.0], lr=0.1, weight_decay=1.0, gradient_square=3.0, step=2.0,
           momentum=0.0),
    scaled(scale_invariant.relaxation_time, lr=0.1, weight_decay=[1.0, 2.0], momentum=0.0),
    scaled(scale_invariant.angle, lr=0.1, weight_decay=[1.0, 2.0], momentum=0.0),
    scaled(scale_invariant.effective_lr, lr=0.1, rho=[1.0, 2.0], momentum=0.0),
    scaled(scale_invariant.growing_lr, lr=0.1, weight_decay=[1.0, 2.0], step=3.0),
    scaled(scale_invariant.temperature, sigma=[1.0, 2.0], lr=0.1, rho=3.0),
    scaled(scale_invariant.concentration, kappa=[1.0, 2.0], sigma=1.0, lr=0.001, weight_decay=1.0, dimension=5),
    scaled(scale_invariant.concentration_error, kappa=[1.0, 2.0], sigma=1.0, lr=0.001, weight_decay=1.0, dimension=5),
    scaled(scale_invariant.edge, lr=0.1, rho=[1.0, 2.0]),
    scaled(scale_invariant.critical_norm, lr=0.1, sharpness=[1.0, 2.0]),
    scaled(scale_invariant.period, lr=0.1, weight_decay=1.0, rho_max=[3.0, 2.0], rho_crit=1.0),
    together(scale_invariant.relaxation, "the first step is no float", {"rho0": [1e-200]},
             rho0=1.0, lr=0.1, weight_decay=1.0, gradient_square=1.0, steps=2),
    together(scale_invariant.relaxation_limit, "the first step is a jump", {"rho0": [0.1], "momentum": [0.99999]},
             rho0=1.0, lr=0.1, weight_decay=0.0, gradient_square=1.0, step=2, momentum=0.5),
    together(scale_invariant.equilibrium_norm, "no decay, or too much", {"weight_decay": [0.0, 10.0]},
             lr=0.1, weight_decay=1.0, gradient_square=1.0, momentum=0.0),
    together(scale_invariant.concentration_error, "no small correction", {"kappa": [1e3], "sigma": [1e-3]},
             kappa=1.0, sigma=1.0, lr=0.1, weight_decay=1.0, dimension=5),
    together(scale_invariant.norm_variance, "a large first order", {"variation": [2.6]},
             lr=0.1, weight_decay=1.0, variation=1.0),
    together(scale_invariant.growing_lr, "beyond all floats", {"step": [1e6]}, lr=0.1, weight_decay=1.0, step=1),
    together(scale_invariant.period, "no period", {"rho_max": [0.5], "rho_crit": [3.0], "weight_decay": [0.0]},
             lr=0.1, weight_decay=1.0, rho_max=2.0, rho_crit=1.0),
    Call(scale_invariant.curvature, {"unit_curvature": [1.0, 2.0], "rho": 3.0},
         {"unit_curvature": MEASURED, "rho": SIZES}, arrays=["unit_curvature", "rho"]),
    Call(scale_invariant.relative_sharpness, {"curvature": [1.0, 2.0], "rho": 3.0},
         {"curvature": MEASURED, "rho": SIZES}, arrays=["curvature", "rho"]),

    *(Call(f, {}) for f in (three_regimes.gradient, three_regimes.multiplier, three_regimes.edge_square,
                            three_regimes.random_share)),
    *(Call(f, {"scales": [1.0, 2.0]}, {"scales": [*SIZES, 1.0, [[1.0]], []]}, arrays=["scales"])
      for f in (three_regimes.threshold, three_regimes.mean_shares, three_regimes.random_value)),
    *(
        Call(f, {"state": STATE, "scales": [1.0, 2.0]}, {
            "state": ["1", None, 0.0, [1.0, 2.0], INF * STATE, 0 * STATE, 1e-40 * STATE, 1e40 * STATE, STATE[:, :1]],
            "scales": [*SIZES, [1.0], []],
        }, arrays=["state", "scales"])
        for f in (three_regimes.loss, three_regimes.loss_gradient)
    ),
    Call(three_regimes.step, {"state": STATE, "scales": [1.0, 2.0], "lr": 1.0}, {
        "state": ["1", 0 * STATE], "scales": [*SIZES, [1.0]], "lr": [*SIZES, [1.0, 2.0]],
    }, arrays=["state", "scales"]),

    Call(ensembles.moments, {}), Call(ensembles.expansion, {}),
    Call(Law(1.0, 2.0, 3.0).at, {"n": [1.0, 2.0]}, {"n": [0, 0.5, -1, NAN, "1", None]}, arrays=["n"]),
    Call(ensembles.law, {"mean": [1.0, 1.0], "variance": [0.0, 1.0], "third": [1.0, 0.0]}, {
        "mean": [*PROBABILITIES, NAN, 0.0, [0.5, NAN], []], "variance": [NAN, *PROBABILITIES],
        "third": [NAN, INF, "1", None, 1.1],
    }, arrays=["mean", "variance", "third"]),
    Call(ensembles.cumulants, {"p": P}, {"p": [*PROBABILITIES, P[0], P[:2], 9 * P, P[:, :0]]}, arrays=["p"]),
    Call(ensembles.law_of_members, {"p": P}, {"p": [*PROBABILITIES, P[0], P[:2], 9 * P, P[:, :0]]}, arrays=["p"]),
    Call(ensembles.brier_law, {"p": ONE_HOT, "labels": [0, 2]}, {
        "p": [*PROBABILITIES, ONE_HOT[0], ONE_HOT[:1], ONE_HOT / 2, 9 * ONE_HOT, ONE_HOT - 0.1],
        "labels": [[0, 3], [-1, 0], [0.5, 1], [0, NAN], [0], "1", None, [[0, 1]]],
    }, arrays=["p", "labels"]),
    Call(ensembles.exact_nll, {"laplace": lambda t: 1 / (1 + t) ** 2, "n": 3}, {
        "laplace": ["a", None, np.exp, lambda t: 0 * t, lambda t: (1 + t) ** -0.01, lambda t: t[:2]],
        "n": [0, 2.5, -1, 1001, NAN, INF, "1", None],
    }),

    Call(kernels.activated, {"before": COVARIANCES, "expectations": kernels.arc_sine, "name": "erf"},
         {"before": [None, COVARIANCES._replace(gaussian=False)], "expectations": [None, "erf"]}, {"name": "any word"}),
    Call(kernels.arc_cosine, {"leak": 0.5}, {"leak": NO_NUMBER}),
    *(
        Call(f, {"a": [2.0, 1.0], "b": [3.0, 4.0], "c": [1.0, 2.0]}, {
            "a": [-1.0, NAN, INF, 1.1e100, "1", None], "b": [-1.0, NAN, INF, 1.1e100, "1", None],
            "c": [NAN, INF, 9.0, "1", None, [1.0, 2.1], [0.0] * 3, []],
        }, arrays=["a", "b", "c"], name=name)
        for name, f in {
            "arc-sine": kernels.arc_sine, "arc-cosine": kernels.arc_cosine(0.5),
            "quadrature": kernels.by_quadrature(lambda x: (np.tanh(x), 1 - np.tanh(x) ** 2)),
        }.items()
    ),
    Call(kernels.by_quadrature, {"both": lambda x: (np.tanh(x), 1 - np.tanh(x) ** 2)}, {"both": [None, "tanh", 1.0]}),
]  # fmt: skip
