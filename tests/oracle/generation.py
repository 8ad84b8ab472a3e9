"""Goldens of generation over models/llama/base and models/gpt2/base: tests/data/generation/*.

generate.json names model and GenerationConfig fields of each case, generate.safetensors holds its ids. processors.json
and processors.safetensors do the same for the logits processors alone, applied to given rows of scores.
"""

import json

import torch
import transformers

from common import DATA, PAD, generator, load, padded_batch, save

FOLDER = DATA / "generation"
# Transformers fills short beams with the first end id where the pad id is 0 (`pad_token_id or eos_token_id[0]`);
# another pad id says what is meant.
BEAM_PAD = 3


class Noise(transformers.LogitsProcessor):
    """Disturbs the scores by less than MIN_MARGIN: what then changes was no clear choice."""

    def __init__(self, seed):
        self.rng = torch.Generator().manual_seed(seed)

    def __call__(self, input_ids, scores):
        return scores + 5e-4 * (2 * torch.rand(scores.shape, generator=self.rng) - 1)


def write_json(path, entries):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join("  " + json.dumps(entry) for entry in entries)
    path.write_text(f"[\n{lines}\n]\n")


@torch.no_grad()
def generate(arch, inputs, config, noise=None):
    """The output of generate(), greedy unless config says otherwise; noise is the seed of a disturbance."""
    model = load(DATA / "models" / arch / "base")
    processors = [Noise(noise)] if noise is not None else []
    config = {"do_sample": False, "pad_token_id": PAD, **config}
    return model.generate(
        **inputs,
        **config,
        logits_processor=processors,
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=True,
    )


def kept(arch, case, output):
    """What is returned beside the sequences: of all steps what compute_transition_scores takes from them, and of some
    cases the last one whole."""
    model = load(DATA / "models" / arch / "base")
    tensors = {}
    if case.split(".")[1] in ("greedy", "bad_words", "beams", "beams_processors"):
        tensors = {"last_scores": output.scores[-1], "last_logits": output.logits[-1]}
    beams = output.get("beam_indices")
    for normalize in (False, True):
        scores = model.compute_transition_scores(output.sequences, output.scores, beams, normalize_logits=normalize)
        tensors["transition_scores" + "_normalized" * normalize] = scores
    if beams is not None:
        tensors["beam_indices"] = beams.long()
    return {f"{case}.{key}": value.clone() for key, value in tensors.items()}


def is_clear(arch, inputs, config, output):
    """Whether small changes of the scores leave the ids (and which ids are kept, for beams) as they are."""
    return all(
        again.sequences.shape == output.sequences.shape and torch.equal(again.sequences, output.sequences)
        for again in (generate(arch, inputs, config, noise) for noise in range(4))
    )


def greedy_configs(batch, plain):
    """Greedy cases; plain is what the model says to the batch when nothing ends it, prompts included."""
    width = batch["input_ids"].shape[1]
    said = plain[:, width:]
    ends = [int(said[0, 3]), int(said[1, 6])]
    return {
        "greedy": dict(max_new_tokens=16),
        "greedy_no_cache": dict(max_new_tokens=8, use_cache=False),
        "max_length": dict(max_length=width + 5),
        "eos": dict(max_new_tokens=16, eos_token_id=ends[0]),
        "eos_list": dict(max_new_tokens=16, eos_token_id=ends),
        "eos_list_pad": dict(max_new_tokens=16, eos_token_id=ends, pad_token_id=7),
        "min_new_tokens": dict(max_new_tokens=16, min_new_tokens=9, eos_token_id=ends),
        "min_length": dict(max_new_tokens=16, min_length=width + 6, eos_token_id=ends),
        "repetition_penalty": dict(max_new_tokens=16, repetition_penalty=1.4),
        "repetition_reward": dict(max_new_tokens=12, repetition_penalty=0.7),
        "no_repeat_ngram_size": dict(max_new_tokens=16, repetition_penalty=0.5, no_repeat_ngram_size=2),
        "bad_words": dict(max_new_tokens=12, bad_words_ids=[[int(said[0, 0])], said[1, 2:4].tolist()]),
        "suppress_tokens": dict(max_new_tokens=12, suppress_tokens=sorted({int(said[0, 1]), int(said[2, 4])})),
        "begin_suppress_tokens": dict(max_new_tokens=12, begin_suppress_tokens=sorted(set(said[:, 0].tolist()))),
        "forced_eos": dict(max_new_tokens=6, forced_eos_token_id=5),
    }


def beam_configs(plain, width):
    said = plain[:, width:]
    ends = sorted({int(said[0, 2]), int(said[1, 4]), int(said[2, 5])})
    beams = dict(num_beams=3, max_new_tokens=10, pad_token_id=BEAM_PAD)
    return {
        "beams": beams,
        "beams_eos": dict(beams, eos_token_id=ends),
        "beams_early": dict(beams, eos_token_id=ends, early_stopping=True),
        "beams_never": dict(beams, eos_token_id=ends, early_stopping="never", length_penalty=2.0),
        "beams_length_penalty_0": dict(beams, eos_token_id=ends, length_penalty=0.0),
        "beams_length_penalty_2": dict(beams, eos_token_id=ends, length_penalty=2.0),
        "beams_length_penalty_negative": dict(beams, eos_token_id=ends, length_penalty=-1.0),
        "beams_return_all": dict(beams, eos_token_id=ends, num_return_sequences=3, early_stopping=True),
        "beams_five": dict(beams, num_beams=5, eos_token_id=ends[0], num_return_sequences=2),
        "beams_processors": dict(beams, eos_token_id=ends, repetition_penalty=1.3, min_new_tokens=4),
    }


def generations():
    entries, tensors = [], {}
    for arch in ("llama", "gpt2"):
        vocab = load(DATA / "models" / arch / "base").config.vocab_size
        first = padded_batch(generator("generation", arch), vocab, [5, 8, 3], "left")
        plain = generate(arch, first, dict(max_new_tokens=16, eos_token_id=[]))["sequences"]
        names = [*greedy_configs(first, plain), *beam_configs(plain, 8)]
        for name in names:
            for attempt in range(64):
                rng = generator("generation", arch, attempt if attempt else "")
                inputs = first if attempt == 0 else padded_batch(rng, vocab, [5, 8, 3], "left")
                plain = generate(arch, inputs, dict(max_new_tokens=16, eos_token_id=[]))["sequences"]
                config = {**greedy_configs(inputs, plain), **beam_configs(plain, 8)}[name]
                output = generate(arch, inputs, config)
                if is_clear(arch, inputs, config, output):
                    break
            else:
                raise RuntimeError(f"{arch} {name}: no clear choice")
            case = f"{arch}.{name}"
            entries.append({"name": case, "model": f"{arch}/base", "config": config})
            tensors.update({f"{case}.{key}": value for key, value in inputs.items()})
            tensors[f"{case}.sequences"] = output.sequences
            if config.get("num_beams", 1) > 1:
                tensors[f"{case}.sequences_scores"] = output.sequences_scores
            tensors.update(kept(arch, case, output))
            print(case, config, f"attempt {attempt}", output.sequences[:, 8:].tolist(), flush=True)
    write_json(FOLDER / "generate.json", entries)
    save(FOLDER / "generate.safetensors", tensors)


VOCAB = 61

PROCESSORS = {
    "temperature": dict(temperature=0.7),
    "temperature_high": dict(temperature=1.8),
    "top_k": dict(top_k=5),
    "top_k_one": dict(top_k=1),
    "top_k_more_than_vocabulary": dict(top_k=1000),
    "top_p": dict(top_p=0.9),
    "top_p_small": dict(top_p=0.2),
    "min_p": dict(min_p=0.05),
    "typical_p": dict(typical_p=0.9),
    "typical_p_small": dict(typical_p=0.3),
    "epsilon_cutoff": dict(epsilon_cutoff=0.01),
    "eta_cutoff": dict(eta_cutoff=0.02),
    "top_h": dict(top_h=0.4),
    "repetition_penalty": dict(repetition_penalty=1.3),
    "repetition_reward": dict(repetition_penalty=0.8),
    "no_repeat_ngram_size_1": dict(no_repeat_ngram_size=1),
    "no_repeat_ngram_size_2": dict(no_repeat_ngram_size=2),
    "no_repeat_ngram_size_3": dict(no_repeat_ngram_size=3),
    "no_repeat_ngram_size_long": dict(no_repeat_ngram_size=50),
    "bad_words": dict(bad_words_ids=[[4], [11, 12], [13, 14, 15]]),
    "sequence_bias": dict(sequence_bias=[[[9], 2.5], [[11, 20], -3.0], [[40], -1.25]]),
    "suppress_tokens": dict(suppress_tokens=[3, 9, 60]),
    "begin_suppress_tokens": dict(begin_suppress_tokens=[5, 6], prompt_length=8),
    "begin_suppress_tokens_later": dict(begin_suppress_tokens=[5, 6], prompt_length=6),
    "min_length_below": dict(min_length=9, eos_token_id=[2, 30]),
    "min_length_reached": dict(min_length=8, eos_token_id=[2, 30]),
    "min_new_tokens_below": dict(min_new_tokens=4, eos_token_id=2, prompt_length=5),
    "min_new_tokens_reached": dict(min_new_tokens=3, eos_token_id=2, prompt_length=5),
    "forced_eos_before": dict(forced_eos_token_id=7, max_length=10),
    "forced_eos_at_end": dict(forced_eos_token_id=[7, 8], max_length=9),
    "exponential_decay_length_penalty": dict(
        exponential_decay_length_penalty=[1, 1.2], eos_token_id=2, prompt_length=4
    ),
    "remove_invalid_values": dict(remove_invalid_values=True),
    "renormalize_logits": dict(top_k=6, renormalize_logits=True),
    "sampling_chain": dict(temperature=0.8, top_k=12, top_p=0.8, min_p=0.02, repetition_penalty=1.2),
    "long_chain": dict(
        temperature=1.3, top_k=20, top_p=0.95, typical_p=0.8, no_repeat_ngram_size=2, suppress_tokens=[1, 2], renormalize_logits=True
    ),
}


def score_rows(rng):
    """Scores (4, V): wide, flat, one far ahead, and one with entries already ruled out."""
    scores = torch.randn(4, VOCAB, generator=rng) * torch.tensor([[3.0], [0.5], [1.0], [2.0]])
    scores[2, 17] = 12.0
    scores[3, 5:40:3] = -float("inf")
    return scores


def process(fields, input_ids, scores, mask=None):
    """Applies the processors that generate() makes of these GenerationConfig fields, in its order."""
    fields = dict(fields)
    prompt_length = fields.pop("prompt_length", input_ids.shape[1])
    config = transformers.GenerationConfig(do_sample=True, **{"top_k": 0, **fields})
    if config.sequence_bias is not None:
        config.sequence_bias = {tuple(words): bias for words, bias in config.sequence_bias}
    model = load(DATA / "models" / "llama" / "base")
    model._prepare_special_tokens(config, kwargs_has_attention_mask=True, device="cpu")
    model_kwargs = {} if mask is None else {"attention_mask": mask}
    processors = model._get_logits_processor(
        config, input_ids_seq_length=prompt_length, encoder_input_ids=input_ids, device="cpu", model_kwargs=model_kwargs
    )
    return processors(input_ids, scores.clone())


def processors():
    entries, tensors = [], {}

    def add(name, fields, input_ids, scores, mask=None, clear=True):
        processed = process(fields, input_ids, scores, mask)
        assert not processed.isnan().any(), name
        for seed in range(8 if clear else 0):
            noise = 1e-5 * torch.randn(scores.shape, generator=generator("noise", seed))
            again = process(fields, input_ids, scores + noise, mask)
            assert torch.equal(again.isinf(), processed.isinf()), f"{name}: no clear choice"
        fields = dict(fields)
        length = fields.pop("prompt_length", input_ids.shape[1])
        entries.append({"name": name, "prompt_length": length, "config": fields})
        tensors.update({f"{name}.input_ids": input_ids, f"{name}.scores": scores, f"{name}.processed": processed})
        if mask is not None:
            tensors[f"{name}.attention_mask"] = mask
        print(name, fields, processed.isinf().sum(-1).tolist(), flush=True)

    rng = generator("processors")
    input_ids = torch.tensor(
        [
            [11, 12, 9, 11, 12, 9, 30, 11],  # 11 12 again would repeat a pair
            [4, 13, 14, 20, 13, 14, 20, 13],
            [17, 17, 17, 17, 17, 17, 17, 17],
            [6, 50, 7, 6, 51, 8, 6, 50],
        ]
    )
    scores = score_rows(rng)
    for name, fields in PROCESSORS.items():
        rows = scores
        if name == "remove_invalid_values":
            rows = scores.clone()
            rows[0, 3], rows[1, 4] = float("nan"), float("inf")
        add(name, fields, input_ids, rows, clear=name != "remove_invalid_values")

    # Scores equal to the k-th stay; equal scores are neither more nor less probable than each other.
    ties = torch.tensor([[1.0, 3.0, 2.0, 3.0, 2.0, 2.0, 0.0, -1.0]])
    add("top_k_ties", dict(top_k=3), torch.tensor([[1, 2]]), ties, clear=False)
    add("min_p_ties", dict(min_p=1.0), torch.tensor([[1, 2]]), ties, clear=False)

    # Padding on the left is no text: the pad id is not penalised.
    mask = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1], [1] * 8, [1] * 8, [0, 1, 1, 1, 1, 1, 1, 1]])
    padded = input_ids.masked_fill(mask == 0, PAD)
    add("repetition_penalty_left_padded", dict(repetition_penalty=1.5), padded, scores, mask)
    add("no_repeat_ngram_size_left_padded", dict(no_repeat_ngram_size=2), padded, scores, mask)

    write_json(FOLDER / "processors.json", entries)
    save(FOLDER / "processors.safetensors", tensors)


if __name__ == "__main__":
    generations()
    processors()
