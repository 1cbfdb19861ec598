"""The verb serve."""

import os
from pathlib import Path
from typing import Annotated

import typer

from mothertongue.cli.app import app
from mothertongue.cli.options import (
    BatchSize,
    Beam,
    HotWords,
    HotWordsWeight,
    Lm,
    LmWeight,
    PrecisionOption,
)
from mothertongue.cli.support import decoding
from mothertongue.serving import defaults


@app.command()
def serve(
    models: Annotated[
        list[str],
        typer.Argument(help="NAME=MODEL; MODEL is a base, a run's folder or an export's."),
    ],
    host: Annotated[
        str, typer.Option(help="An address other than this machine needs a key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 8000,
    key_file: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="File with the key; or set $MOTHERTONGUE_API_KEY."
        ),
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Merge LoRA, so that each run is a separate model.")
    ] = False,
    beam_size: Beam = 1,
    batch_size: BatchSize = 16,
    lm: Lm = None,
    lm_weight: LmWeight = None,
    hotwords: HotWords = None,
    hotwords_weight: HotWordsWeight = None,
    precision: PrecisionOption = "auto",
    compute_type: Annotated[str, typer.Option(help="CTranslate2's type.")] = "default",
    max_upload_mb: Annotated[float, typer.Option(min=0.001, max=1e6, help="Largest upload.")] = (
        defaults.UPLOAD_BYTES / 1e6
    ),
    max_audio_s: Annotated[
        float, typer.Option(min=1, help="Longest recording.")
    ] = defaults.AUDIO_S,
    max_requests: Annotated[
        int, typer.Option(min=1, help="Most requests at once.")
    ] = defaults.REQUESTS,
    request_s: Annotated[
        float, typer.Option(min=1, help="Longest time for a request.")
    ] = defaults.REQUEST_S,
    drain_s: Annotated[
        float, typer.Option(min=0, help="Time to finish requests at the end.")
    ] = defaults.DRAIN_S,
    decoders: Annotated[int, typer.Option(min=1, help="Processes that decode uploads.")] = min(
        2, os.cpu_count() or 1
    ),
) -> None:
    """Serve models with OpenAI's audio API; adapters of many languages share one base."""
    from mothertongue.serving import require_packages

    require_packages()
    from mothertongue.errors import ConfigError
    from mothertongue.inference.lm_weights import with_known_weight
    from mothertongue.serving.address import address
    from mothertongue.serving.limits import Limits
    from mothertongue.serving.models import load, parse_specs
    from mothertongue.serving.server import serve as run_server
    from mothertongue.system.console import note

    limits = Limits(
        upload_bytes=int(max_upload_mb * 1e6),
        audio_s=max_audio_s,
        requests=max_requests,
        request_s=request_s,
        drain_s=drain_s,
    )
    where = address(host, port, key_file)
    specs = parse_specs(models)
    if lm and len(specs) > 1:
        raise ConfigError(
            f"--lm: {len(specs)} models are served, and a language model is of one language; "
            "expected one model: serve the others on another --port"
        )
    config = decoding(beam_size, batch_size, lm, lm_weight, hotwords, hotwords_weight)
    config = with_known_weight(config, specs[0].model)
    offer = load(specs, config, precision, compute_type, merge, note)
    run_server(offer, where, limits, batch_size, decoders)
