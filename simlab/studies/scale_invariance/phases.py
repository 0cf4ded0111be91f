"""Scene 4, memorisation and consolidation: what happens at zero training error, and which explanation it favours.

A net that starts with small weights and large logits memorises within some steps while its norm grows; then weight
decay shrinks the norm, the minimum becomes wide and the test error falls, at zero training error all along. At
checkpoints fixed in advance a copy is annealed (300 steps, the rate to 0 by a cosine, no decay) and measured, which
removes the noise of the last steps. The same is done in controls, each without the cause that an explanation names:

* frozen: from the first checkpoint on, the norm is held fixed. If the norm causes consolidation, there is none.
* whitened: inputs have one scale in every direction, so that no feature of the data is learned slower than another. If
  slow features that catch up cause consolidation (Heckel & Yilmaz 2021), there is none.
* bump: other settings, with which a test error that first falls, then rises, then falls again was once seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from simlab import nn
from simlab.core.checks import Floats
from simlab.lab.lab import Advance
from simlab.lab.scene import Axes, Claim, Cost, Found, InputError, Lab, Panel, Quantity, Values, axis, quantity
from simlab.nn.calculus.views import norm
from simlab.statistics import mean
from simlab.studies.scale_invariance import needs, nets, problem
from simlab.studies.scale_invariance.config import Config

SOURCE = "talk, Scale invariance of DNNs and Experiment 1; rival: Heckel & Yilmaz 2021"
VARIANT = axis("how the nets are trained")
CHECKPOINT = axis("step before annealing")
RADIUS = quantity("norm of the weights", VARIANT, CHECKPOINT)
TRAIN_ERROR = quantity("share of training data misclassified, annealed", VARIANT, CHECKPOINT)
TEST_ERROR = quantity("share of test data misclassified, annealed", VARIANT, CHECKPOINT)
TEST_LOSS = quantity("test loss, annealed", VARIANT, CHECKPOINT)
SHARPNESS = quantity(
    f"rise of the training loss {nets.DISTANCE:g} norms away",
    VARIANT,
    CHECKPOINT,
    equation="scale_invariant#the-width-of-a-minimum",
)
GROWTH = quantity("ln of the largest norm over the first", equation="scale_invariant#relaxation")
SHRINKAGE = quantity("ln of the largest norm over the last", equation="scale_invariant#relaxation")
GAIN_TEST_ERROR = quantity("fall of the test error in phase 2", VARIANT)
GAIN_TEST_LOSS = quantity("fall of the test loss in phase 2", VARIANT)
WIDENING = quantity("ln of the sharpness at the second checkpoint over that at the last", VARIANT)
LOST_TEST_LOSS_FROZEN = quantity("fall of the test loss in phase 2, plain minus frozen")
LOST_WIDENING_FROZEN = quantity("ln of the sharpness, second checkpoint over last: plain minus frozen")
EARLY_RISE = quantity("rise of the test error in phase 1")
BUMP_RISE = quantity("rise of the test error where a bump was once seen")

BATCH, LR, DECAY = 100, 0.02, 0.05
ANNEALING = 300
BUMP_STEPS = (20, 200, 2000)
NEGLIGIBLE = 0.01
"""A rise of the test error that is too small to matter."""


class Variant(NamedTuple):
    """How a group of nets is trained; logits multiplies the last layer, noise is the share of wrong labels."""

    name: str
    logits: float
    noise: float
    whiten: bool = False
    frozen: bool = False


VARIANTS = (
    Variant("plain", 25.0, 0.1), Variant("frozen", 25.0, 0.1, frozen=True), Variant("whitened", 25.0, 0.1, whiten=True)
)  # fmt: skip
PLAIN, FROZEN, WHITENED = range(3)
BUMP = Variant("bump", 10.0, 0.2)


class Course(NamedTuple):
    """The norm of nets in training, and what was measured of their annealed copies, (replicate, checkpoint) each."""

    first_norm: Floats  # (replicate,)
    radius: Floats
    train_error: Floats
    test_error: Floats
    test_loss: Floats
    sharpness: Floats


MEASURES: dict[Quantity, Callable[[Course], Floats]] = {
    RADIUS: lambda course: course.radius, TRAIN_ERROR: lambda course: course.train_error,
    TEST_ERROR: lambda course: course.test_error, TEST_LOSS: lambda course: course.test_loss,
    SHARPNESS: lambda course: course.sharpness,
}  # fmt: skip


def check(config: Config) -> None:
    """Refuse checkpoints that do not follow each other, and data that cannot be used."""
    problem.check(config, "phase_examples")
    if list(config.phase_steps) != sorted(set(config.phase_steps)) or config.phase_steps[0] < 1:
        raise InputError("phase_steps must be increasing steps from 1 on.")


def cost(config: Config) -> list[Cost]:
    """A run of every variant, and the copies of all its checkpoints, annealed and measured."""
    found = []
    for variant in (*VARIANTS, BUMP):
        steps = checkpoints(config, variant)
        size, copies = (
            needs.Nets(config, count * config.phase_replicates, config.phase_width, 3, config.phase_examples)
            for count in (1, len(steps))
        )
        seconds = size.training(BATCH, steps[-1]) + copies.training(BATCH, ANNEALING)
        seconds += copies.forward((2 + nets.DIRECTIONS) * config.phase_examples + config.tests)
        memory = copies.memory(config.phase_replicates, config.phase_replicates)
        fields = ("phase_steps", "phase_replicates", "phase_width", "phase_examples")
        found.append(Cost(fields, steps[-1] + ANNEALING, memory, seconds))
    return found


def simulate(config: Config, lab: Lab) -> Values:
    """Every variant at its checkpoints, annealed and measured."""
    variants = [*VARIANTS, BUMP]
    weights = [float(checkpoints(config, v)[-1] + ANNEALING) for v in variants]
    *courses, bump = lab.cells(train_variant, config, variants, "phases: nets", weights=weights)
    plain, frozen = courses[PLAIN], courses[FROZEN]
    largest, second, last = plain.radius.max(axis=1), 1, -1
    found: dict[Quantity, Any] = {VARIANT: [v.name for v in VARIANTS], CHECKPOINT: np.array(config.phase_steps)}
    for measure, of in MEASURES.items():
        found[measure] = mean(np.stack([of(course) for course in courses], axis=1))

    def fall(values: Floats) -> Floats:
        return values[:, second] - values[:, last]

    def widening(course: Course) -> Floats:
        return np.asarray(nets.log_ratio(course.sharpness[:, second], course.sharpness[:, last]))

    return {
        **found,
        GROWTH: mean(np.log(largest / plain.first_norm)),
        SHRINKAGE: mean(np.log(largest / plain.radius[:, last])),
        GAIN_TEST_ERROR: [mean(fall(c.test_error)) for c in courses],
        GAIN_TEST_LOSS: [mean(fall(c.test_loss)) for c in courses],
        WIDENING: [mean(widening(c)) for c in courses],
        LOST_TEST_LOSS_FROZEN: mean(fall(plain.test_loss) - fall(frozen.test_loss)),
        LOST_WIDENING_FROZEN: mean(widening(plain) - widening(frozen)),
        EARLY_RISE: mean(plain.test_error[:, second] - plain.test_error[:, 0]),
        BUMP_RISE: mean(bump.test_error[:, second] - bump.test_error[:, 0]),
    }


def train_variant(config: Config, variant: Variant, lab: Lab) -> Course:
    """Nets of a variant up to its last checkpoint, and the copies of all checkpoints, annealed and measured."""
    count, steps = config.phase_replicates, checkpoints(config, variant)
    start = nets.stack(
        config, lab, "phases", (config.phase_width,) * 3, replicates=count, examples=config.phase_examples,
        noise=variant.noise, logits=variant.logits, whiten=variant.whiten,
    ).at_norm(1.0)  # fmt: skip
    with lab.task("nets", steps[-1] + ANNEALING) as task:
        weights = _weights(start, variant, steps, lab, task)
        # The copies of all checkpoints are one stack: (checkpoint, replicate).
        copies = start.part(np.tile(np.arange(count), len(steps))).with_weights(lab.device.xp.concatenate(weights))
        annealed, _ = copies.train(
            nn.SGD(nn.Cosine(LR, ANNEALING)), ANNEALING, batch=BATCH, key=lab.key("phases", "annealing"),
            progress=task.advance,
        )  # fmt: skip
    parts = [annealed.part(slice(k * count, (k + 1) * count)) for k in range(len(steps))]
    train_error, test_error, test_loss = (
        np.stack([lab.device.to_host(row) for row in rows], axis=1).astype(float)
        for rows in zip(*map(_measure, parts), strict=True)
    )
    sharpness = annealed.sharpness(lab.key("phases", "directions")).reshape(len(steps), count).T
    radius = lab.device.to_host(norm(copies.params)).astype(float).reshape(len(steps), count).T
    first_norm = lab.device.to_host(norm(start.params)).astype(float)
    return Course(first_norm, radius, train_error, test_error, test_loss, sharpness)


def theory(config: Config, axes: Axes) -> Values:
    """No reference: claims are about order in time and controls."""
    return {}


def compare(config: Config, found: Found) -> list[Claim]:
    """Two phases; controls of the two explanations; no peak of the test error as in the talk."""
    _, peak, *_, last = config.phase_steps
    late = found[TRAIN_ERROR][PLAIN][1:]
    return [
        found[GROWTH].exceeds("growth", "In phase 1 of training, memorisation, the norm of the weights grows."),
        found[SHRINKAGE].exceeds(
            "shrinkage", "In phase 2 of training, consolidation, the norm of the weights shrinks."
        ),
        late[int(late.value.argmax())].equals(
            "memorised", f"From step {peak} on the annealed nets make no error on the training data.", 0.0,
            bias=1 / config.phase_examples,
        ),
        found[WIDENING][PLAIN].exceeds(
            "width", f"In phase 2 of training, consolidation, from step {peak} to {last}, the minimum becomes wider."
        ),
        found[GAIN_TEST_ERROR][PLAIN].exceeds(
            "test-error", "In phase 2 of training, consolidation, the test error falls, at zero training error.",
            sigmas=4,
        ),
        found[GAIN_TEST_LOSS][PLAIN].exceeds(
            "test-loss", "In phase 2 of training, consolidation, the test loss falls, at zero training error.",
            sigmas=4,
        ),
        *_controls(config, found),
        *_no_peaks(config, found),
    ]  # fmt: skip


def _controls(config: Config, found: Found) -> list[Claim]:
    """Phase 2 without the cause that an explanation names."""
    return [
        found[LOST_WIDENING_FROZEN].exceeds(
            "frozen-width",
            f"With the norm frozen from step {config.phase_steps[0]} on the minimum widens less in phase 2 of "
            "training, consolidation.",
        ),
        found[LOST_TEST_LOSS_FROZEN].exceeds(
            "frozen-loss", "With the norm frozen the test loss falls less in phase 2 of training, consolidation: the "
            "norm causes part of its fall.", sigmas=4,
        ),
        found[GAIN_TEST_ERROR][FROZEN].exceeds(
            "frozen-error",
            "With the norm frozen the test error still falls in phase 2 of training, consolidation: the norm does not "
            "cause all of its fall.", sigmas=4,
        ),
        found[GAIN_TEST_ERROR][WHITENED].exceeds(
            "whitened", "With inputs whitened to one scale in every direction the test error still falls in phase 2 of "
            "training, consolidation: no slowly learned features of the data are needed.", sigmas=5,
        ),
    ]  # fmt: skip


def _no_peaks(config: Config, found: Found) -> list[Claim]:
    """The test error does not rise before it falls."""
    first, peak, *_ = config.phase_steps
    return [
        found[EARLY_RISE].below(
            "no-peak",
            "In phase 1 of training, memorisation, the test error has no peak: from step "
            f"{first} to {peak} the annealed test error rises by less than {NEGLIGIBLE:g}, if at all.",
            NEGLIGIBLE, sigmas=4,
        ),
        found[BUMP_RISE].below(
            "no-bump",
            f"Settings in which a bump of the test error was once seen show none: from step {BUMP_STEPS[0]} to "
            f"{BUMP_STEPS[1]} the annealed test error rises by less than {2 * NEGLIGIBLE:g}.", 2 * NEGLIGIBLE, sigmas=4,
        ),
    ]  # fmt: skip


def draw_error(config: Config, found: Found, panel: Panel) -> None:
    """The test error of every variant."""
    _draw(config, found, panel, TEST_ERROR)
    panel.set(title="The test error falls after memorisation")


def draw_norm(config: Config, found: Found, panel: Panel) -> None:
    """The norm of every variant."""
    _draw(config, found, panel, RADIUS)
    panel.set(yscale="log", title="Memorisation, then consolidation")


def draw_sharpness(config: Config, found: Found, panel: Panel) -> None:
    """The sharpness of every variant."""
    _draw(config, found, panel, SHARPNESS)
    panel.set(yscale="log", title="The minimum becomes wide")


PANELS = (draw_error, draw_norm, draw_sharpness)


def checkpoints(config: Config, variant: Variant) -> tuple[int, ...]:
    """Steps at which nets are copied, annealed and measured."""
    return BUMP_STEPS if variant.name == BUMP.name else config.phase_steps


def _weights(start: nets.Stack, variant: Variant, steps: tuple[int, ...], lab: Lab, task: Advance) -> list[Any]:
    """The trained weights at every checkpoint; on a sphere from the first one on where the norm is frozen."""
    decaying, key = nn.SGD(LR, weight_decay=DECAY), lab.key("phases", "batches")
    last = 1 if variant.frozen else len(steps)
    weights = start.weights_at(decaying, steps[:last], batch=BATCH, key=key, progress=task.advance)
    if variant.frozen:
        later, key = [step - steps[0] for step in steps[1:]], lab.key("phases", "frozen")
        frozen = start.with_weights(weights[0])
        weights += frozen.weights_at(nn.SphereSGD(LR), later, batch=BATCH, key=key, progress=task.advance)
    return weights


def _measure(stack: nets.Stack) -> tuple[Any, Any, Any]:
    """Training error, test error and test loss, (model,) each."""
    outputs = stack.net.forward(stack.params, stack.data.x)[0]
    tests, test_y = nn.predict(stack.net, stack.params, stack.data.test_x), stack.data.test_y
    return nn.error(outputs, stack.data.y), nn.error(tests, test_y), nn.cross_entropy.value(tests, test_y)


def _draw(config: Config, found: Found, panel: Panel, measure: Quantity) -> None:
    """A quantity of every variant against the step, and phase 1."""
    first, peak, *_ = config.phase_steps
    labels = ("plain", f"norm frozen from step {first} on", "inputs whitened")
    for i, label in enumerate(labels):
        panel.points(found[measure][i], label, x=np.array(config.phase_steps) * 1.06 ** (i - 1), color=i)
    panel.axes.axvspan(first, peak, color="0.93", lw=0, label="phase 1", zorder=0)
    panel.set(xscale="log", xlabel="step (points shifted sideways)")
    panel.note(f"means over {config.phase_replicates} nets, {config.phase_examples} examples, a tenth of them with "
               "wrong labels; whitened: inputs have one scale in every direction")  # fmt: skip
