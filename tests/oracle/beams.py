"""Goldens of beams over tiny checkpoints of five architectures: tests/data/generation/beams.* and beams_moved.*.

    python tests/oracle/beams.py               # greedy search, beams and prefix_allowed_tokens_fn, by Transformers 5
    PYTHONPATH=TRANSFORMERS_4_53_3 python tests/oracle/beams.py   # group and constrained beam search

Transformers 5 has the latter two no longer (they moved into custom code); 4.53.3 is the last release that ran them by
itself. beams.json and beams_moved.json name model, GenerationConfig fields and, of prefix_allowed_tokens_fn, the modulus
(`allowed`) of each case; the safetensors files hold prompts, sequences, their scores, and the last step's logits.
"""

import json

import torch
import transformers

import seeded
from common import DATA, PAD, generator, load, padded_batch, save
from generation import Noise, write_json

FOLDER = DATA / "generation"
OLD = int(transformers.__version__.split(".")[0]) < 5
MODELS = {
    "llama": "llama/base",
    "gpt2": "gpt2/base",
    "mistral": "mistral/window",  # a window of 5
    "t5": "t5/base",
    "bart": "bart/base",
}


def model_of(folder):
    """The model of a checkpoint that Transformers 5 wrote, in either version."""
    if not OLD:
        return load(folder)
    place = seeded.checkpoint(folder)
    config = json.loads((place / "config.json").read_text())
    rope = config.pop("rope_parameters", None)
    if rope:
        assert rope["rope_type"] == "default", rope
        config["rope_theta"] = rope["rope_theta"]
    config["torch_dtype"] = config.pop("dtype", "float32")
    (place / "config.json").write_text(json.dumps(config))
    cls = getattr(transformers, config["architectures"][0])
    return cls.from_pretrained(place, torch_dtype=torch.float32).eval()


def without_indices(scorer):
    """4.53.3 mixes up the beam_indices of groups, and fails over those of beams that end without their words."""
    for name in ("process", "finalize"):
        method = getattr(scorer, name)
        setattr(scorer, name, lambda *args, _method=method, **options: _method(*args, **{**options, "beam_indices": None}))


if OLD:
    without_indices(transformers.BeamSearchScorer)
    without_indices(transformers.ConstrainedBeamSearchScorer)


def allowed(modulus):
    """A prefix_allowed_tokens_fn that tests can say as well: after each token those that differ by a multiple of it."""

    def function(prompt, ids):
        first = (int(ids[-1]) + prompt) % modulus
        return list(range(first, 41, modulus))

    return function


@torch.no_grad()
def generate(model, inputs, config, noise=None):
    config = dict(config)
    modulus = config.pop("allowed", None)
    options = {"prefix_allowed_tokens_fn": allowed(modulus)} if modulus else {}
    options["logits_processor"] = [Noise(noise)] if noise is not None else []
    config = {"do_sample": False, "pad_token_id": PAD, **config}
    return model.generate(
        **inputs, **config, **options, return_dict_in_generate=True, output_scores=True, output_logits=True
    )


def same(a, b):
    return a.shape == b.shape and torch.equal(a, b)


def plain_cases(said):
    ends = sorted({int(said[0, 2]), int(said[1, 4]), int(said[2, 5])})
    beams = dict(num_beams=4, max_new_tokens=9, pad_token_id=3)
    return {
        "greedy": dict(max_new_tokens=12, eos_token_id=[]),
        "greedy_eos": dict(max_new_tokens=12, eos_token_id=ends),
        "greedy_allowed": dict(max_new_tokens=8, eos_token_id=[], allowed=7),
        "beams": dict(beams, eos_token_id=[]),
        "beams_eos": dict(beams, eos_token_id=ends, num_return_sequences=4),
        "beams_early": dict(beams, eos_token_id=ends, num_return_sequences=2, early_stopping=True, length_penalty=0.5),
        "beams_allowed": dict(beams, eos_token_id=ends[0], num_return_sequences=3, allowed=5),
    }


def moved_cases(said):
    # Ends are none of the words.
    ends = sorted({int(said[0, 2]), int(said[1, 4]), int(said[2, 5])} - set(range(5, 36))) or [4]
    groups = dict(num_beams=4, num_beam_groups=2, diversity_penalty=0.7, max_new_tokens=9)
    words = dict(num_beams=4, max_new_tokens=9)
    return {
        "groups": dict(groups, eos_token_id=[]),
        "groups_eos": dict(groups, eos_token_id=ends, num_return_sequences=4),
        "groups_of_one": dict(groups, num_beam_groups=4, eos_token_id=ends, num_return_sequences=3, early_stopping=True),
        "groups_of_three": dict(
            groups, num_beams=6, eos_token_id=ends, num_return_sequences=2, early_stopping="never", length_penalty=2.0,
            pad_token_id=7,
        ),
        "groups_processors": dict(
            groups, eos_token_id=ends[0], num_return_sequences=2, repetition_penalty=1.3, no_repeat_ngram_size=2,
            sequence_bias=[[[int(said[0, 0])], -1.5]], min_new_tokens=3, diversity_penalty=2.5,
        ),
        "phrase": dict(words, force_words_ids=[[9, 14]], eos_token_id=[]),
        "phrase_eos": dict(words, force_words_ids=[[9, 14, 11]], eos_token_id=ends, num_return_sequences=4),
        "phrases": dict(
            words, max_new_tokens=10, force_words_ids=[[9, 14], [9, 6], [20]], eos_token_id=ends, num_return_sequences=2,
            length_penalty=0.0,
        ),
        "phrase_twice": dict(
            words, num_beams=3, force_words_ids=[[21, 22], [21, 22]], eos_token_id=ends[0], num_return_sequences=3,
            early_stopping=True, sequence_bias=[[[21], 0.7], [[40], -2.0]],
        ),
        "words": dict(
            words, force_words_ids=[[[9, 14], [9, 15, 16], [30, 31, 32]]], eos_token_id=ends, num_return_sequences=3
        ),
        "words_and_phrases": dict(
            words, num_beams=5, max_new_tokens=11, force_words_ids=[[[9, 14, 5], [9, 15], [9, 17, 18]], [10, 19]],
            eos_token_id=ends, num_return_sequences=4, pad_token_id=7,
        ),
        "words_early": dict(
            words, force_words_ids=[[[8], [33]], [[12, 13], [34, 35]]], eos_token_id=ends, early_stopping="never",
            num_return_sequences=2, length_penalty=1.5,
        ),
    }  # fmt: skip


def main():
    cases, name_of_file = (moved_cases, "beams_moved") if OLD else (plain_cases, "beams")
    entries, tensors = [], {}
    for arch, path in MODELS.items():
        model = model_of(DATA / "models" / path)
        encodes, vocab = model.config.is_encoder_decoder, min(41, model.config.vocab_size)
        pad = model.config.pad_token_id

        def batch(name, attempt):
            rng = generator("beams", arch, name, attempt)
            inputs = padded_batch(rng, vocab, [5, 8, 3], "left")
            return {**inputs, "input_ids": inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, pad)}

        for name in cases(torch.zeros(3, 8)):
            for attempt in range(64):
                inputs = batch(name, attempt)
                width = 1 if encodes else inputs["input_ids"].shape[1]
                plain = generate(model, inputs, dict(max_new_tokens=8, eos_token_id=[]))
                config = cases(plain.sequences[:, width:])[name]
                output = generate(model, inputs, config)
                if not all(
                    same(output.sequences, generate(model, inputs, config, noise).sequences) for noise in range(4)
                ):
                    continue
                # A batch whose rows say all the same would hide a wrong one.
                if len(set(map(tuple, output.sequences[:, width:].tolist()))) > (1 if encodes else 2):
                    break
            else:
                raise RuntimeError(f"{arch} {name}: no clear choice")
            case = f"{arch}.{name}"
            entries.append({"name": case, "model": path, "config": config})
            tensors.update({f"{case}.{key}": value for key, value in inputs.items()})
            tensors[f"{case}.sequences"] = output.sequences
            if output.get("sequences_scores") is not None:
                tensors[f"{case}.sequences_scores"] = output.sequences_scores
            print(case, config, f"attempt {attempt}", output.sequences[:, width:].tolist(), flush=True)
    write_json(FOLDER / f"{name_of_file}.json", entries)
    save(FOLDER / f"{name_of_file}.safetensors", tensors)


if __name__ == "__main__":
    main()
