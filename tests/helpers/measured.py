"""Measurements of the steps of a run, for tests of what is estimated from them."""

from mothertongue.training.plan_estimate import Measured

MEASURED = Measured(
    device="cpu",
    precision="float32",
    trained=10,
    parameters=40,
    clips=32,
    audio_s=100.0,
    step_flops=(10.0, 20.0, 30.0, 90.0),
    step_is_full=(False, False, False, True),
    context_s=200,
    computed=((10.0, 2.0), (30.0, 4.0), (90.0, 10.0)),
    read=(),
    stored_bytes_per_s=1000,
    start_s=3.0,
    validation_clips=50,
    validation_clip_s=0.1,
    final_clip_s=0.4,
    micro_batch_size=8,
    peak_memory_bytes=100,
    free_memory_bytes=1000,
)
