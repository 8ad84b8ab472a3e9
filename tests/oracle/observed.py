"""Hidden states and attentions of tiny checkpoints of tests/data/models: tests/data/observed/NAME.safetensors.

Each file has the inputs of one padded batch, and hidden_states.N and attentions.N as Transformers' forward gives them;
`checkpoint` in the metadata names the folder.
"""

import torch

from common import DATA, generator, load, padded_batch, save

CASES = {
    "llama": "llama/mqa",
    "qwen2": "qwen2/layer_types",
    "gpt2": "gpt2/base",
    "bert": "bert/base",
    "bert_classifier": "bert/sequence_classification",
    "mamba": "mamba/base",
    "t5": "t5/base",
    "vit": "vit/model",
}

KINDS = ["hidden_states", "attentions", "decoder_hidden_states", "decoder_attentions", "cross_attentions"]
KINDS += ["encoder_hidden_states", "encoder_attentions"]


@torch.no_grad()
def main():
    for name, folder in CASES.items():
        rng = generator("observed", name)
        model = load(DATA / "models" / folder, attn_implementation="eager")
        if name == "vit":
            batch = {"pixel_values": torch.randn((2, 3, 13, 13), generator=rng)}
        else:
            batch = padded_batch(rng, model.config.vocab_size, [5, 3], "right")
        if name == "t5":
            decoder = padded_batch(rng, model.config.vocab_size, [2, 4], "right")
            batch |= {"decoder_" + key: value for key, value in decoder.items()}
        output = model(**batch, output_hidden_states=True, **({} if name == "mamba" else {"output_attentions": True}))
        tensors = {**batch}
        for kind in KINDS:
            for i, t in enumerate(output.get(kind) or ()):
                tensors[f"{kind}.{i}"] = t
        save(DATA / "observed" / f"{name}.safetensors", tensors, checkpoint=folder)
        print(name, {k: tuple(v.shape) for k, v in tensors.items()})


if __name__ == "__main__":
    main()
