"""The exact density of a chain at finite dt, from its one-step transfer operator on quadrature nodes (Nystrom 1930).

This is the reference without any bias: what remains is quadrature error, which falls exponentially with the nodes and
is checked. The operator acts on functions, (K f)(x) = E[f(X') | X = x]; its left eigenvector is the stationary density,
its second eigenvalue the slowest decay, and restricted to an interval it knows the first-passage time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.linalg import eig
from scipy.special import ndtr

from simlab.core.checks import Floats, number, numbers, shown, whole
from simlab.theory.chain import Chain, a_chain
from simlab.theory.quadrature import Function, kinks, numeric, running_sum
from simlab.theory.symbols import Values, bind

LARGEST = 4000
RESOLUTION = 0.45
"""Node spacing in kernel widths.

Gauss-Legendre nodes are pi/2 sparser in the middle, and exp(-2 pi^2/0.71^2) < 1e-16.
"""
SMOOTHING = 2
"""Applications of the operator to an eigenvector: its tails, all rounding, are made anew from its middle."""
OVERSHOOT = 8.0
"""Kernel widths beyond an open end that a step from inside never goes: 6e-16 is left."""
NEVER = 1e-16
"""A node of less mass than this, relative to the heaviest, is not visited in any run."""
REACH, FAR = 1e4, 1e12
"""How far out the density is looked for, and an absorbing end may lie."""
DEPTH = 45.0
"""e^-45 of the top of the density is where the line is cut off at first."""


@dataclass(frozen=True)
class Transfer:
    """operator[i, j] = probability to go from nodes[i] to the cell of nodes[j]; weights are those of the quadrature.

    period: 0 on the line. mean, std: the Gaussian step as functions of x (line only). balance: half the logarithm of
    roughly the stationary mass of each node; the operator scaled by it is nearly symmetric, and its eigenvalues tame.
    """

    nodes: Floats
    weights: Floats
    operator: Floats
    balance: Floats
    period: float = 0.0
    mean: Function | None = None
    std: Function | None = None

    @cached_property
    def _spectrum(self) -> tuple[NDArray[np.complex128], NDArray[np.complex128], NDArray[np.complex128]]:
        """Eigenvalues by falling size, left and right eigenvectors in columns."""
        scaled = self.operator * np.exp(self.balance[:, None] - self.balance[None, :])
        values, left, right = eig(scaled, left=True, right=True)
        order = np.argsort(-np.abs(values))
        scale = np.exp(self.balance)[:, None]
        return values[order], left.conj()[:, order] * scale, right[:, order] / scale

    @cached_property
    def mass(self) -> Floats:
        """Stationary probability of every node (sums to 1); ValueError when the chain loses more than 1e-9 per step."""
        values, left, _ = self._spectrum
        if abs(values[0] - 1) > 1e-9:
            raise ValueError(
                f"walkers escape from the chain with probability {abs(values[0] - 1):.1e} per step: "
                "the step is too long for this drift, take a smaller dt."
            )
        mass = left[:, 0].real
        for _ in range(SMOOTHING):
            mass = mass @ self.operator
        return mass / mass.sum()

    @property
    def stationary(self) -> Floats:
        """Stationary density at the nodes."""
        return self.mass / self.weights

    def expect(self, f: Callable[[Floats], Any]) -> float:
        """Stationary mean of f(x)."""
        if not callable(f):
            raise ValueError(f"f must be a function of an array, got {shown(f)}.")
        return float((self.mass * f(self.nodes)).sum())

    def bin_probabilities(self, edges: Any) -> Floats:
        """Stationary probability of each bin (len(edges) - 1); a line's end bins are open.

        As accurate as the density itself. ValueError unless there are two edges or more, and they rise.
        """
        edges = numbers("edges", edges, infinite=not self.period, ndim=1)
        if len(edges) < 2 or not (np.diff(edges) > 0).all():
            raise ValueError(f"edges must be two numbers or more, each above the one before, got {shown(edges)}.")
        if self.period:
            k = np.fft.fftfreq(len(self.nodes), 1 / len(self.nodes))
            amplitudes = np.fft.fft(self.mass) / self.period
            wave = 2j * np.pi * k[1:] / self.period
            t = edges[:, None] - self.nodes[0]
            running = (amplitudes[0] * t[:, 0] + (np.exp(wave * t) / wave) @ amplitudes[1:]).real
            return np.diff(running)
        assert self.mean is not None
        assert self.std is not None
        z = (edges[:, None] - self.mean(self.nodes)) / self.std(self.nodes)
        below = ndtr(z) @ self.mass
        below[0], below[-1] = 0.0, 1.0
        return np.diff(below)

    @cached_property
    def second(self) -> tuple[float, Function]:
        """The second eigenvalue and its right eigenfunction phi, with <phi^2> = 1.

        E phi(X_n) phi(X_0) = lambda^n exactly. ValueError where it is complex.
        """
        values, _, right = self._spectrum
        if abs(values[1].imag) > 1e-9:
            raise ValueError("the second eigenvalue is complex: the chain does not relax monotonically at this dt.")
        decay, phi = float(values[1].real), right[:, 1].real
        for _ in range(SMOOTHING):
            phi = self.operator @ phi / decay
        visited = self.mass > NEVER * self.mass.max()  # beyond, phi is a large number times a rounding error
        nodes, mass, phi = self.nodes[visited], self.mass[visited], phi[visited]
        spline = CubicSpline(nodes, phi / np.sqrt((mass * phi**2).sum()) * np.sign(phi[np.argmax(mass)]))
        return decay, lambda x: spline(np.clip(x, nodes[0], nodes[-1]))

    @property
    def relaxation_steps(self) -> float:
        """Steps in which the slowest mode decays by e."""
        return float(-1 / np.log(abs(self.second[0])))

    def first_passage(self, start: float) -> float:
        """Expected number of steps from start until the chain is outside the interval."""
        if self.mean is None or self.std is None:
            raise ValueError("start: a circle has no end to pass; take the operator of a chain on the line.")
        start = number("start", start, at_least=float(self.nodes[0]), at_most=float(self.nodes[-1]))
        times = np.linalg.solve(np.eye(len(self.nodes)) - self.operator, np.ones(len(self.nodes)))
        z = (self.nodes - self.mean(np.array(start))) / self.std(np.array(start))
        row = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) / self.std(np.array(start)) * self.weights
        return float(1 + row @ times)


def gaussian(chain: Chain, values: Values, *, low: float | None = None, high: float | None = None) -> Transfer:
    """The operator of a chain on the line whose step is Gaussian (Euler; SGD with normal noise).

    low, high: absorbing ends, for first passages; without them the line is cut off where the density is negligible.
    ValueError when the step is too long to be stable or too short to be resolved by 4000 nodes.
    """
    x, values = _bound(chain, values)
    low, high = _interval(low, high)
    centre, root = chain.moments()
    mean, variance = (numeric(x, e, values) for e in (centre[0], (root * root.T)[0]))

    def std(z: Floats) -> Floats:
        return np.sqrt(variance(z))

    left, right = _range(mean, variance, low, high)
    if low is not None or high is not None:  # an open end takes the steps that overshoot, so that none counts as passed
        left -= OVERSHOOT * float(std(np.array(left))) * (low is None)
        right += OVERSHOOT * float(std(np.array(right))) * (high is None)
    for _ in range(12):
        nodes, weights = _nodes(left, right, mean, std, kinks(x, centre[0], values, left, right))
        z = (nodes[None, :] - mean(nodes)[:, None]) / std(nodes)[:, None]
        operator = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) / std(nodes)[:, None] * weights
        balance = _balance(nodes, weights, mean, variance)
        result = Transfer(nodes, weights, operator, balance, mean=mean, std=std)
        if low is not None or high is not None:
            return result
        density = np.abs(result._spectrum[1][:, 0]) / weights
        ends = density[[0, -1]] / density.max()
        if (ends < 1e-14).all() or not _stable(mean, left, right):
            return result
        # The finite step widens the distribution (in a stiff well by 1/(1 - k dt/2)): look further out.
        pad = 0.15 * (right - left)
        left, right = left - pad * (ends[0] >= 1e-14), right + pad * (ends[1] >= 1e-14)
    return result


def koopman(chain: Chain, values: Values, low: float, high: float, nodes: int = 161, draws: int = 401) -> Transfer:
    """The operator of any chain on the circle [low, high), its noise one unit normal (Heun, Milstein: not Gaussian).

    Functions are trigonometric polynomials through the nodes, and the normal is integrated by the trapezoidal rule:
    both converge exponentially. The update goes in unwrapped; high frequencies of the mass check the resolution.
    """
    x, values = _bound(chain, values)
    if len(chain.normals) != 1:
        raise ValueError(f"chain: the operator on a circle is for one unit normal, got {len(chain.normals)}.")
    (xi,) = chain.normals
    low, high = number("low", low), number("high", high)
    if not low < high:
        raise ValueError(f"high must lie above low = {low:g}, got {high:g}.")
    nodes, draws = whole("nodes", nodes, 3, LARGEST), whole("draws", draws, 3)
    move = sp.lambdify((x, xi), chain.update[0].subs(values), ["scipy", "numpy"])
    length = high - low
    nodes += 1 - nodes % 2
    at = low + length * np.arange(nodes) / nodes
    z = np.linspace(-9.5, 9.5, draws)
    weight = np.exp(-(z**2) / 2)
    weight /= weight.sum()
    # E[e^(ik x')] from every node for every wave k, then from waves back to the nodes.
    turn = np.exp(2j * np.pi / length * (move(at[:, None], z[None, :]) - low))
    wave, waves = np.ones_like(turn), []
    for _ in range(nodes // 2 + 1):
        waves.append(wave @ weight)
        wave = wave * turn
    k = np.arange(nodes // 2 + 1)
    back = np.exp(-2j * np.pi * np.outer(k, np.arange(nodes)) / nodes) * np.where(k == 0, 1, 2)[:, None] / nodes
    operator = (np.array(waves).T @ back).real
    weights = np.full(nodes, length / nodes)
    result = Transfer(at, weights, operator, np.zeros(nodes), period=length)
    spectrum = np.abs(np.fft.rfft(result.mass))
    if spectrum[-3:].max() > 1e-10 * spectrum[0]:
        raise ValueError(
            f"{nodes} nodes do not resolve the chain's density on the circle; take another step, or less noise."
        )
    return result


def _bound(chain: Any, values: Any) -> tuple[sp.Symbol, Values]:
    """The state of a chain of one component, and its parameters by symbol."""
    a_chain(chain)
    if len(chain.state) != 1:
        raise ValueError(f"chain: the operator is for one component, got {len(chain.state)}.")
    if not chain.normals or not {*chain.normals} & set().union(*(e.free_symbols for e in chain.update)):
        raise ValueError("chain: it has no noise, and so no transfer operator with a density.")
    return chain.state[0], bind(chain.parameters, values)


def _interval(low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """Both ends, each None where it is open."""
    low = None if low is None else number("low", low, at_least=-FAR, at_most=REACH)
    high = None if high is None else number("high", high, at_least=-REACH, at_most=FAR)
    if low is not None and high is not None and not low < high:
        raise ValueError(f"high must lie above low = {low:g}, got {high:g}.")
    return low, high


def _balance(nodes: Floats, weights: Floats, mean: Function, variance: Function) -> Floats:
    """Half the log mass of the diffusion with this drift and noise: near enough to balance the chain's operator."""
    force = 2 * (mean(nodes) - nodes) / variance(nodes)
    steps = np.diff(nodes) * (force[1:] + force[:-1]) / 2
    log_p = running_sum(steps, int(np.argmin(np.abs(force)))) - np.log(variance(nodes)) + np.log(weights)
    return np.clip(log_p - log_p.max(), -DEPTH, 0) / 2


def _range(mean: Any, variance: Any, low: float | None, high: float | None) -> tuple[float, float]:
    """Where the density of the diffusion with this drift and noise exceeds e^-DEPTH of its top."""
    arm = np.sinh(np.linspace(0, np.arcsinh(1e3 * REACH), 4001)) * 1e-3
    grid = np.concatenate([-arm[:0:-1], arm])
    grid = grid[(grid >= (low if low is not None else -np.inf)) & (grid <= (high if high is not None else np.inf))]
    middle, width = (grid[1:] + grid[:-1]) / 2, np.diff(grid)
    with np.errstate(all="ignore"):
        force = 2 * (mean(middle) - middle) / variance(middle)
        log_p = running_sum(force * width, int(np.argmin(np.abs(grid))))
    inside = np.flatnonzero(log_p > np.nanmax(log_p) - DEPTH)
    left = grid[max(inside[0] - 1, 0)] if low is None else low
    right = grid[min(inside[-1] + 1, len(grid) - 1)] if high is None else high
    return float(left), float(right)


def _stable(mean: Any, left: float, right: float) -> bool:
    """Whether the mean step keeps the interval to itself."""
    ends = mean(np.array([left, right]))
    return bool((ends > left).all() and (ends < right).all())


def _nodes(left: float, right: float, mean: Function, std: Function, breaks: list[float]) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes on each piece between the breaks, about RESOLUTION kernel widths apart.

    Seen from where a step starts the kernel is narrower by the slope of the mean, which long steps make large.
    """
    grid = np.linspace(left, right, 2001)
    finest = float(np.min(std(grid)))
    width = float(np.min(std(grid) / np.maximum(1.0, np.abs(np.gradient(mean(grid), grid)))))
    ends = [left, *breaks, right]
    counts = [int(np.ceil((b - a) / (RESOLUTION * width))) + 32 for a, b in pairwise(ends)]
    if sum(counts) > LARGEST:
        short = (right - left) / (RESOLUTION * finest) > LARGEST / 2
        raise ValueError(
            f"the step is too {'short' if short else 'long'} to be resolved: noise of {finest:.1e} per step on a range "
            f"of {right - left:.1e} takes {float(sum(counts)):.1e} nodes, {LARGEST} are allowed; take a "
            f"{'larger' if short else 'smaller'} dt."
        )
    nodes, weights = [], []
    for (a, b), count in zip(pairwise(ends), counts, strict=True):
        t, w = np.polynomial.legendre.leggauss(count)
        nodes.append(a + (b - a) / 2 * (t + 1))
        weights.append(w * (b - a) / 2)
    return np.concatenate(nodes), np.concatenate(weights)


__all__ = ["gaussian", "koopman"]
