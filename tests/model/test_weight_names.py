import numpy as np
import pytest
import torch

from mothertongue.errors import DataError
from mothertongue.model.weight_names import from_ctranslate2, from_openai


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("encoder.conv1.weight", "model.encoder.conv1.weight"),
        ("encoder.positional_embedding", "model.encoder.embed_positions.weight"),
        ("decoder.positional_embedding", "model.decoder.embed_positions.weight"),
        ("encoder.ln_post.bias", "model.encoder.layer_norm.bias"),
        ("decoder.ln.weight", "model.decoder.layer_norm.weight"),
        ("decoder.token_embedding.weight", "model.decoder.embed_tokens.weight"),
        ("encoder.blocks.11.attn.query.bias", "model.encoder.layers.11.self_attn.q_proj.bias"),
        ("encoder.blocks.0.mlp.0.weight", "model.encoder.layers.0.fc1.weight"),
        ("decoder.blocks.3.mlp.2.weight", "model.decoder.layers.3.fc2.weight"),
        ("decoder.blocks.3.mlp_ln.bias", "model.decoder.layers.3.final_layer_norm.bias"),
        (
            "decoder.blocks.3.cross_attn.value.weight",
            "model.decoder.layers.3.encoder_attn.v_proj.weight",
        ),
        (
            "decoder.blocks.3.cross_attn_ln.weight",
            "model.decoder.layers.3.encoder_attn_layer_norm.weight",
        ),
    ],
)
def test_openai_names(theirs: str, ours: str) -> None:
    half = torch.tensor([1.5, -2.0], dtype=torch.float16)
    (converted,) = from_openai({theirs: half}).items()
    assert converted[0] == ours
    assert converted[1].dtype == torch.float32
    assert converted[1].tolist() == [1.5, -2.0]


def test_openai_weights_are_copied() -> None:
    theirs = torch.ones(2)
    (ours,) = from_openai({"encoder.conv1.bias": theirs}).values()
    theirs.zero_()
    assert ours.tolist() == [1, 1]


@pytest.mark.parametrize(
    "name",
    ["encoder.blocks.0.mlp.1.weight", "blocks.0.attn.query.weight", "encoder", "model.fc1.weight"],
)
def test_foreign_name(name: str) -> None:
    with pytest.raises(DataError) as caught:
        from_openai({name: torch.ones(1)})
    assert str(caught.value) == (
        f"tensor {name}: not one of Whisper's; expected an OpenAI checkpoint"
    )


def test_ctranslate2_lacks_a_tensor() -> None:
    with pytest.raises(DataError) as caught:
        from_ctranslate2({"encoder/layer_norm/gamma": np.ones(2, np.float32)})
    assert str(caught.value) == (
        "the CTranslate2 model lacks encoder/position_encodings/encodings; convert the model again"
    )
