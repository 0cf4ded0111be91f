"""Stacks of neural nets with hand-written derivatives: pure functions over NumPy or CuPy arrays, the model axis first.

>>> net = mlp([2, 16, 3], activation="tanh")
>>> params = init(net, models=5)
>>> value, grads = value_and_grad(net, cross_entropy, params, x, y)
"""

from simlab.nn.activations import erf, gelu, leaky_relu, relu, softplus, tanh
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
from simlab.nn.fixed import fixed
from simlab.nn.groups import train_each
from simlab.nn.kernels import Kernel
from simlab.nn.layer import select
from simlab.nn.log import Until
from simlab.nn.losses import CrossEntropy, Logistic, MeanSquaredError, cross_entropy, logistic, mse
from simlab.nn.noise import activation_noise, at_step
from simlab.nn.norms import batch_norm, layer_norm
from simlab.nn.optimisers import SGD, SGLD, Adam, LabelNoiseSGD, Optimiser, SphereSGD
from simlab.nn.record import QUANTITIES, Quantity, Record, error, linear_steps, log_steps
from simlab.nn.schedules import Cosine, Cyclic, Piecewise, Schedule, StepDecay, WarmUp
from simlab.nn.spectra import Density, Eigenpairs, spectral_density, top_eigenvalues
from simlab.nn.train import train
from simlab.nn.views import by_layer, columns, norms_by_layer

__all__ = [
    "QUANTITIES",
    "SGD",
    "SGLD",
    "Adam",
    "Cosine",
    "CrossEntropy",
    "Cyclic",
    "Density",
    "Eigenpairs",
    "Kernel",
    "LabelNoiseSGD",
    "Logistic",
    "MeanSquaredError",
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
    "linear_steps",
    "log_softmax",
    "log_steps",
    "logistic",
    "mlp",
    "mse",
    "norms_by_layer",
    "per_example_grads",
    "population",
    "predict",
    "relu",
    "residual",
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
    "unflatten",
    "value_and_grad",
    "weight_norm",
]
