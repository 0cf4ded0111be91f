"""The public functions of `simlab.nn.calibration`, and the error rate: what they take, and what lies just outside."""

from __future__ import annotations

import numpy as np

from simlab.nn import calibration
from simlab.nn.training import record
from tests.domains.calls import Call
from tests.domains.ensembles_calls import NO_LABELS, NO_NUMBERS, NO_TAU

MODULES = [calibration]

LOGITS = np.array([[5.0, 1, 2], [3, 9, 0], [7, 70, 99], [9, 4, 4], [1, 1, 0], [6, 4, 5]])
Y = np.array([0, 1, 2, 0, 1, 2])
STACK = np.stack([LOGITS, LOGITS[::-1]])
NO_LOGITS = (*NO_NUMBERS[:6], LOGITS[:0], LOGITS[:, :0], LOGITS[0])
SCORES = {"logits": LOGITS, "labels": Y}
AROUND = {"logits": NO_LOGITS, "labels": NO_LABELS}

CALLS = [
    Call(calibration.nll, {**SCORES, "tau": 1.5}, {**AROUND, "tau": (*NO_TAU[:-2], [1.0])}, arrays=("logits",)),
    Call(calibration.nll, {"logits": STACK, "labels": Y, "tau": np.array([1.0, 3])}, {"tau": ([1.0, 0], [1.0, 2, 3])},
         dict.fromkeys(("logits", "labels"), "as above"), arrays=("logits", "tau"), name="nn.calibration.nll, stack"),
    Call(calibration.nll_at, {**SCORES, "taus": (1.5, 1)}, {**AROUND, "taus": (None, 1.5, np.array(1.5), "ab")},
         arrays=("logits",)),
    Call(calibration.temperature, SCORES, AROUND, arrays=("logits",)),
    Call(calibration.calibrated_nll, SCORES, AROUND, arrays=("logits",)),
    Call(calibration.labels_of, SCORES, {"logits": (LOGITS[:0], LOGITS[0]), "labels": NO_LABELS},
         {"names": "for messages"}),
    Call(calibration.log_softmax, {"logits": LOGITS}, {"logits": (*NO_NUMBERS[:6], LOGITS[:, :0])}),
    Call(calibration.tempered, {"logits": LOGITS, "tau": 2.0}, {"logits": NO_NUMBERS[:5], "tau": NO_TAU}),
    Call(calibration.working, {"name": "x", "values": LOGITS}, {},
         {"name": "of the argument, for messages", "values": "what it refuses bears the name it is given"}),
    Call(calibration.by_rows, {"function": lambda z: [z[0]], "logits": LOGITS}, {},
         dict.fromkeys(("function", "logits"), "the inner loop of what is checked")),
    Call(record.error, {"outputs": LOGITS, "y": Y}, {"outputs": NO_LOGITS, "y": NO_LABELS[:-1]}, arrays=("outputs",)),
    Call(record.error, {"outputs": LOGITS[:, :1], "y": LOGITS[:, :1]}, {}, dict.fromkeys(("outputs", "y"), "as above"),
         arrays=("outputs",), name="nn.record.error, one output"),
]  # fmt: skip
