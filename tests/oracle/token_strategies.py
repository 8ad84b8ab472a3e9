"""Goldens of strategies that choose a token at a time: tests/data/generation/token_strategies.*.

Contrastive search and DoLa left Transformers with version 5: run this with transformers 4.53.3, the last of which they
are a part. Classifier-free guidance is the same in both.
"""

import torch
import transformers

from beams import model_of
from common import DATA, PAD, generator, padded_batch, save
from generation import FOLDER, Noise, write_json

MODELS = ("llama/base", "gpt2/base", "mistral/window", "t5/base", "bart/base")


@torch.no_grad()
def generate(model, inputs, config, noise=None):
    processors = [Noise(noise)] if noise is not None else []
    fields = {"do_sample": False, "pad_token_id": PAD, **config}
    fields.pop("low_memory", None)  # which changes no result, and in 4.53.3 takes one prompt alone
    extra = {name: fields.pop(name) for name in list(fields) if name.startswith("negative_")}
    extra = {name: torch.tensor(rows) for name, rows in extra.items()}
    return model.generate(
        **inputs,
        **extra,
        generation_config=transformers.GenerationConfig(**{"bos_token_id": 1, "decoder_start_token_id": 0, **fields}),
        logits_processor=processors,
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=True,
        output_hidden_states=True,
        output_attentions=True,
    )


def configs(said, decoder, ties):
    ends = sorted({int(said[0, 2]), int(said[1, 4])})
    new = dict(max_new_tokens=9, eos_token_id=[])
    cases = {
        "greedy": new,
        "contrastive": dict(new, penalty_alpha=0.6, top_k=4),
        "contrastive_low_memory": dict(new, penalty_alpha=0.6, top_k=4, low_memory=True),
        "contrastive_eos": dict(new, penalty_alpha=0.3, top_k=3, eos_token_id=ends),
        "contrastive_processors": dict(new, penalty_alpha=0.8, top_k=5, no_repeat_ngram_size=1),
    }
    if decoder:
        cases |= {
            "dola_low": dict(new, dola_layers="low"),
            "dola_high": dict(new, dola_layers="high", no_repeat_ngram_size=1),
            "dola_list": dict(new, dola_layers=[0, 1, 7], eos_token_id=ends),
            "guidance": dict(new, guidance_scale=1.5),
            "guidance_negative": dict(
                new,
                guidance_scale=2.0,
                negative_prompt_ids=[[0, 0, 4, 9], [5, 6, 7, 8], [0, 11, 12, 13]],
                negative_prompt_attention_mask=[[0, 0, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1]],
            ),
            "guidance_no_cache": dict(new, guidance_scale=0.5, use_cache=False, no_repeat_ngram_size=1),
        }
    return cases


def is_clear(model, inputs, config, output):
    versions = [generate(model, inputs, config, noise) for noise in range(4)]
    if "penalty_alpha" in config:
        versions += [generate(model, inputs, config | {"penalty_alpha": config["penalty_alpha"] + d}) for d in (2e-3, -2e-3)]
    return all(v.sequences.shape == output.sequences.shape and torch.equal(v.sequences, output.sequences) for v in versions)


def states(case, output):
    """Of the last pass the hidden states and attentions of the last layer, and how many there are of all."""
    prefix = "decoder_" if "decoder_hidden_states" in output else ""
    hidden, attentions = output[prefix + "hidden_states"], output[prefix + "attentions"]
    tensors = {"hidden_states": hidden[-1][-1], "attentions": attentions[-1][-1]}
    if "mistral" in case:  # 5 shows the weights of the window alone
        del tensors["attentions"]
    if prefix:
        tensors["cross_attentions"] = output["cross_attentions"][-1][-1]
        tensors["encoder_hidden_states"] = output["encoder_hidden_states"][1]
        tensors["encoder_attentions"] = output["encoder_attentions"][-1]
    tensors["counts"] = torch.tensor([[len(hidden), len(hidden[0]), len(attentions), len(attentions[0])]])
    return {f"{case}.{key}": value.clone() for key, value in tensors.items()}


def main():
    entries, tensors = [], {}
    for folder in MODELS:
        model = model_of(DATA / "models" / folder)
        model.config._attn_implementation = "eager"  # others show no attentions
        decoder = not model.config.is_encoder_decoder
        vocab = model.config.vocab_size
        lengths, side = [5, 8, 3], "left" if decoder else "right"
        for name in configs(torch.zeros(3, 9), decoder, False):
            for attempt in range(200):
                inputs = padded_batch(generator("token_strategies", folder, name, attempt), vocab, lengths, side)
                inputs = {key: inputs[key] for key in ("input_ids", "attention_mask")}
                width = inputs["input_ids"].shape[1] if decoder else 1
                said = generate(model, inputs, dict(max_new_tokens=9, eos_token_id=[])).sequences[:, width:]
                config = configs(said, decoder, model.config.tie_word_embeddings)[name]
                output = generate(model, inputs, config)
                if is_clear(model, inputs, config, output):
                    break
            else:
                raise RuntimeError(f"{folder} {name}: no clear choice")
            case = f"{folder.replace('/', '.')}.{name}"
            entries.append({"name": case, "model": folder, "config": config})
            tensors |= {f"{case}.{key}": value for key, value in inputs.items()}
            tensors |= {f"{case}.sequences": output.sequences, f"{case}.last_scores": output.scores[-1]}
            tensors |= {f"{case}.last_logits": output.logits[-1]}
            if name in ("greedy", "contrastive", "contrastive_eos", "dola_low"):
                tensors |= states(case, output)
            print(case, config, f"attempt {attempt}", output.sequences[:, width:].tolist(), flush=True)
    write_json(FOLDER / "token_strategies.json", entries)
    save(FOLDER / "token_strategies.safetensors", tensors)


if __name__ == "__main__":
    main()
