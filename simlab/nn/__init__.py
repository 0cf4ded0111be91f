"""Stacks of neural nets with hand-written derivatives: pure functions over NumPy or CuPy arrays, the model axis first.

>>> net = mlp([2, 16, 3], activation="tanh")
>>> params = init(net, models=5)
>>> value, grads = value_and_grad(net, cross_entropy, params, x, y)
"""

from simlab.nn.activations import Activation, erf, gelu, leaky_relu, relu, softplus, tanh
from simlab.nn.calibration import log_softmax
from simlab.nn.compose import mlp, residual, serial
from simlab.nn.curvature import gradient_noise, hessian, hessian_operator, trace
from simlab.nn.dense import dense, weight_norm
from simlab.nn.derivatives import (
    flatten,
    gauss_newton_product,
    hvp,
    infinite_width,
    init,
    per_example_grads,
    population,
    predict,
    tangent_kernel,
    unflatten,
    value_and_grad,
)
from simlab.nn.draws import Draw
from simlab.nn.fixed import fixed
from simlab.nn.groups import train_each
from simlab.nn.kernels import Kernel
from simlab.nn.layer import Layer, NoParams, leaves, select, tree_map
from simlab.nn.log import Until
from simlab.nn.losses import CrossEntropy, Logistic, Loss, MeanSquaredError, cross_entropy, logistic, mse
from simlab.nn.noise import activation_noise, at_step
from simlab.nn.norms import batch_norm, layer_norm
from simlab.nn.optimisers import SGD, SGLD, Adam, LabelNoiseSGD, Optimiser, SphereSGD, on
from simlab.nn.record import QUANTITIES, Quantity, Record, error, linear_steps, log_steps
from simlab.nn.saved import load, save
from simlab.nn.schedules import Cosine, Cyclic, Piecewise, Schedule, StepDecay, WarmUp
from simlab.nn.spectra import Density, Eigenpairs, spectral_density, top_eigenvalues
from simlab.nn.train import train
from simlab.nn.views import by_layer, columns, norms_by_layer

__all__ = [
    "QUANTITIES",
    "SGD",
    "SGLD",
    "Activation",
    "Adam",
    "Cosine",
    "CrossEntropy",
    "Cyclic",
    "Density",
    "Draw",
    "Eigenpairs",
    "Kernel",
    "LabelNoiseSGD",
    "Layer",
    "Logistic",
    "Loss",
    "MeanSquaredError",
    "NoParams",
    "Optimiser",
    "Piecewise",
    "Quantity",
    "Record",
    "Schedule",
    "SphereSGD",
    "StepDecay",
    "Until",
    "WarmUp",
    "activation_noise",
    "at_step",
    "batch_norm",
    "by_layer",
    "columns",
    "cross_entropy",
    "dense",
    "erf",
    "error",
    "fixed",
    "flatten",
    "gauss_newton_product",
    "gelu",
    "gradient_noise",
    "hessian",
    "hessian_operator",
    "hvp",
    "infinite_width",
    "init",
    "layer_norm",
    "leaky_relu",
    "leaves",
    "linear_steps",
    "load",
    "log_softmax",
    "log_steps",
    "logistic",
    "mlp",
    "mse",
    "norms_by_layer",
    "on",
    "per_example_grads",
    "population",
    "predict",
    "relu",
    "residual",
    "save",
    "select",
    "serial",
    "softplus",
    "spectral_density",
    "tangent_kernel",
    "tanh",
    "top_eigenvalues",
    "trace",
    "train",
    "train_each",
    "tree_map",
    "unflatten",
    "value_and_grad",
    "weight_norm",
]
