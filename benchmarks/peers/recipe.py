"""transformers' published recipe for fine-tuning Whisper, on the steps in a work folder.

Seq2SeqTrainer, features at 30 s computed beforehand as its `dataset.map` does, labels padded to the
longest of a batch; and what makes it fast: SDPA, fused AdamW, no gradient checkpointing, nothing
evaluated or saved. Imports nothing of mothertongue: AdapterHub's environment has none.
"""

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset
from transformers import (
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
    WhisperForConditionalGeneration,
)

Json = dict[str, Any]


class Clips(Dataset[Json]):
    """Log-mels (80 or 128, 3,000) and label tokens, all in memory."""

    def __init__(self, work: Path, labels: list[list[int]]) -> None:
        self.mel_NMF = load_file(work / "features.safetensors")["mel_NMF"]
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Json:
        return {"input_features": self.mel_NMF[index], "labels": self.labels[index]}


class Collator:
    """Labels without the start token, which the model puts there itself; padding counts nothing."""

    def __call__(self, clips: list[Json]) -> dict[str, torch.Tensor]:
        width = max(len(each["labels"]) for each in clips) - 1
        labels_BL = torch.full((len(clips), width), -100)
        for row, each in enumerate(clips):
            labels_BL[row, : len(each["labels"]) - 1] = torch.tensor(each["labels"][1:])
        features_BMF = torch.stack([each["input_features"] for each in clips])
        return {"input_features": features_BMF, "labels": labels_BL}


class PlannedSteps:
    """The batches of the plan, in its order, epoch by epoch."""

    def __init__(self, steps: list[list[int]]) -> None:
        self.steps = steps

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)


class StepTimer(TrainerCallback):
    """Seconds from step to step, data loading included."""

    def __init__(self) -> None:
        self.step_s: list[float] = []

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.last = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.step_s.append(time.perf_counter() - self.last)
        self.last = time.perf_counter()


def read_work(folder: Path) -> tuple[Json, WhisperForConditionalGeneration]:
    plan: Json = json.loads((folder / "plan.json").read_text("utf-8"))
    model = WhisperForConditionalGeneration.from_pretrained(
        folder / "base", attn_implementation="sdpa"
    )
    model.config.use_cache = False
    return plan, model


def train(
    model: Any,
    spec: Json,
    plan: Json,
    trainer_class: type[Seq2SeqTrainer] = Seq2SeqTrainer,
    timer: StepTimer | None = None,
) -> Json:
    """Train on the plan's steps; the times of the steps, their losses and the peak of memory."""
    work = Path(spec["work"])
    loader = DataLoader(
        Clips(work, plan["labels"]),
        batch_sampler=PlannedSteps(plan["steps"]),
        collate_fn=Collator(),
    )

    class Planned(trainer_class):  # type: ignore[misc, valid-type]
        def get_train_dataloader(self) -> DataLoader[Json]:
            return loader

    timer = timer or StepTimer()
    arguments = Seq2SeqTrainingArguments(
        output_dir=str(work / "trainer"),
        num_train_epochs=1,
        learning_rate=spec["learning_rate"],
        warmup_steps=round(spec.get("warmup_ratio", 0.0) * len(plan["steps"])),
        weight_decay=0.01,
        bf16=spec["precision"] == "bf16",
        optim="adamw_torch_fused",
        use_cpu=not torch.cuda.is_available(),
        remove_unused_columns=False,
        label_names=["labels"],
        eval_strategy="no",
        save_strategy="no",
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Planned(model=model, args=arguments, train_dataset=loader.dataset, callbacks=[timer])
    with redirect_stdout(sys.stderr):  # the Trainer prints its logs
        trainer.train()
    losses = [each["loss"] for each in trainer.state.log_history if "loss" in each]
    return {"step_s": timer.step_s, "losses": losses, "peak_memory_bytes": peak_memory_bytes()}


def peak_memory_bytes() -> int:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
