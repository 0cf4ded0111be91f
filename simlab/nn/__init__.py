"""Stacks of neural nets with hand-written derivatives: pure functions over NumPy or CuPy arrays, the model axis first.

>>> net = mlp([2, 16, 3], activation="tanh")
>>> params = init(net, models=5)
>>> value, grads = value_and_grad(net, cross_entropy, params, x, y)
>>> trained, record = train(net, params, (x, y), SGD(0.1), batch_size=10, steps=100)

`train` records, stops, saves and shows progress around the pure core of training, state in and state out:

>>> run = Run(net, params, (x, y), SGD(0.1), batch_size=10)
>>> state = run.advance(run.start(), 100)
>>> top_eigenvalues(hessian(net, cross_entropy, state.params, x, y), k=3)
"""

from simlab.nn.calculus.curvature import Matrix, gauss_newton, gradient_noise, hessian, trace
from simlab.nn.calculus.derivatives import (
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
from simlab.nn.calculus.spectra import Density, Eigenpairs, spectral_density, top_eigenvalues
from simlab.nn.calculus.views import by_layer, columns, norms_by_layer, on
from simlab.nn.calibration import log_softmax
from simlab.nn.layers.activations import Activation, erf, gelu, leaky_relu, relu, softplus, tanh
from simlab.nn.layers.compose import mlp, residual, serial
from simlab.nn.layers.dense import dense, weight_norm
from simlab.nn.layers.fixed import fixed
from simlab.nn.layers.infinite_width import Covariances
from simlab.nn.layers.layer import Layer, NoParams, leaves, select, tree_map
from simlab.nn.layers.noise import activation_noise, at_step
from simlab.nn.layers.norms import batch_norm, layer_norm
from simlab.nn.losses import CrossEntropy, Logistic, Loss, MeanSquaredError, cross_entropy, logistic, mse
from simlab.nn.training.draws import Draw
from simlab.nn.training.engine import State
from simlab.nn.training.groups import train_each
from simlab.nn.training.optimisers import SGD, SGLD, Adam, LabelNoiseSGD, Optimiser, SphereSGD
from simlab.nn.training.options import Options, Until
from simlab.nn.training.record import QUANTITIES, Quantity, Record, error, linear_steps, log_steps
from simlab.nn.training.run import Run
from simlab.nn.training.saved import load, save
from simlab.nn.training.schedules import Cosine, Cyclic, Piecewise, Schedule, StepDecay, WarmUp
from simlab.nn.training.train import train

__all__ = [
    "QUANTITIES",
    "SGD",
    "SGLD",
    "Activation",
    "Adam",
    "Cosine",
    "Covariances",
    "CrossEntropy",
    "Cyclic",
    "Density",
    "Draw",
    "Eigenpairs",
    "LabelNoiseSGD",
    "Layer",
    "Logistic",
    "Loss",
    "Matrix",
    "MeanSquaredError",
    "NoParams",
    "Optimiser",
    "Options",
    "Piecewise",
    "Quantity",
    "Record",
    "Run",
    "Schedule",
    "SphereSGD",
    "State",
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
    "gauss_newton",
    "gauss_newton_product",
    "gelu",
    "gradient_noise",
    "hessian",
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
