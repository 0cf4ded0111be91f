"""Train 256 small nets on digits with wrong labels, 32 of each width, and plot error against width with error bars.

    python examples/error_against_width.py [figure.png]

15 % of the training labels are wrong, so the test error goes down, up and down again as the nets get wider: the double
descent of the talk, highest where the nets just manage to fit every label. It takes a few seconds on two cores, prints
a table, and leaves the figure and the xarray dataset beside it (.nc).
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

from simlab import data, nn
from simlab.lab import plot

MODELS, STEPS = 32, 2000
WIDTHS = (3, 4, 6, 8, 12, 16, 32, 64)


def main(path: Path) -> None:
    """Load, train, look."""
    digits = data.digits()
    print(digits)
    train, test = data.split(digits, 900, 797, seed=0, stratified=True)
    train, test = data.standardise(data.noisy_labels(train, 0.15, seed=0), test, scale="global")
    nets = {width: nn.mlp([64, width, 10]) for width in WIDTHS}
    record = nn.Record(["error", "test_error"], at=nn.log_steps(STEPS, 5), test=(test.x, test.y))
    sgd = nn.SGD(0.1, momentum=0.9)
    _, found = nn.train_each(nets, (train.x, train.y), sgd, models=MODELS, batch_size=100, steps=STEPS, record=record)
    found.to_netcdf(path.with_suffix(".nc"), engine="h5netcdf")

    last = found.isel(step=-1)
    mean, error = last.mean("model"), last.std("model", ddof=1) / MODELS**0.5
    table = mean[["error", "test_error"]].assign(error_se=error.error, test_error_se=error.test_error)
    print(table.drop_vars("step").to_dataframe().round(4))

    with plot.style():
        figure = Figure(figsize=(5.2, 3.8), layout="constrained")
        axes = figure.add_subplot()
        for color, (name, label) in enumerate({"test_error": "test", "error": "training, 15 % wrong labels"}.items()):
            axes.errorbar(WIDTHS, mean[name], 2 * error[name], fmt="o", color=plot.COLORS[color], label=label)
        axes.set_title(f"{MODELS} nets of each width on the digits")
        axes.set(xlabel="width of the hidden layer", ylabel="share misclassified", xscale="log", ylim=(0, None))
        axes.legend()
    plot.save_figure(figure, path, path.suffix.removeprefix("."))
    print(f"wrote {path} and {path.with_suffix('.nc')}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "error_against_width.png"))
