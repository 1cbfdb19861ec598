"""AdapterHub's bottleneck adapters by its own trainer, as one line of JSON.

A child of bench.py, in AdapterHub's environment (make .venv-adapterhub/ready).
usage: adapterhub.py JSON
"""

import json
import sys
from pathlib import Path

import adapters
from adapters import SeqBnConfig
from adapters.trainer import Seq2SeqAdapterTrainer
from peers import recipe


def main() -> None:
    spec = json.loads(sys.argv[1])
    plan, model = recipe.read_work(Path(spec["work"]))
    strategy = spec["strategy"]
    top = strategy.get("encoder_top", model.config.encoder_layers)
    adapters.init(model)
    model.add_adapter(
        "bench",
        config=SeqBnConfig(
            ln_before=True,
            non_linearity="gelu",
            reduction_factor=model.config.d_model / strategy["dim"],
            leave_out=list(range(model.config.encoder_layers - top)),
        ),
    )
    model.train_adapter("bench")
    print(json.dumps(recipe.train(model, spec, plan, Seq2SeqAdapterTrainer)))


if __name__ == "__main__":
    main()
