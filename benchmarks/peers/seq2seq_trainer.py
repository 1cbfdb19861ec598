"""Full and frozen fine-tuning and PEFT's LoRA by Seq2SeqTrainer, as one line of JSON.

A child of bench.py. usage: seq2seq_trainer.py JSON
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from peers import recipe

Json = dict[str, Any]


def main() -> None:
    spec = json.loads(sys.argv[1])
    plan, model = recipe.read_work(Path(spec["work"]))
    timer = ValidatingTimer(model, spec) if "validate_every" in spec else recipe.StepTimer()
    report = recipe.train(prepared(model, spec["strategy"]), spec, plan, timer=timer)
    print(json.dumps(report | {"validations": getattr(timer, "validations", [])}))


def prepared(model: Any, strategy: Json) -> Any:
    """The model with what the recipes freeze frozen, or with PEFT's adapters."""
    if strategy["kind"] == "lora":
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            r=strategy["rank"],
            lora_alpha=strategy["alpha"],
            lora_dropout=strategy["dropout"],
            target_modules=["q_proj", "v_proj"],
            bias="none",
        )
        return get_peft_model(model, config)
    encoder, count = model.model.encoder, strategy.get("encoder_layers", 0)
    for part in [encoder.conv1, encoder.conv2, *encoder.layers[:count]] if count else []:
        part.requires_grad_(False)
    return model


class ValidatingTimer(recipe.StepTimer):
    """Also the WER at 30 s every few steps, decoded by mothertongue and not timed."""

    def __init__(self, model: Any, spec: Json) -> None:
        from score import full_context_wer  # beside bench.py, which puts it on the path

        super().__init__()
        self.wer = full_context_wer(model, Path(spec["work"]))
        self.every, self.validations = spec["validate_every"], []

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        super().on_step_end(args, state, control, **rest)
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            found = {"step": state.global_step, "train_s": sum(self.step_s), "wer": self.wer()}
            self.validations.append(found)
            self.last = time.perf_counter()


if __name__ == "__main__":
    main()
