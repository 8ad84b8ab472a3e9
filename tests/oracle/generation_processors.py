#!/usr/bin/env python3
"""Logits processors alone that no model of the other goldens asks for, and what detects watermarks.

    python tests/oracle/generation_processors.py

writes to tests/data/generation/ alone.json, which names the class, its arguments and its calls, one after the other on
one object, and alone.safetensors with their ids, scores and results; watermarks.json and synthid.json, what detectors say;
bayesian_detector/, which is one; and watermarked.json, texts that models/llama/base says with a watermark.
"""

import json

import numpy as np
import torch
import transformers
from transformers.generation import logits_process

from common import DATA, generator, padded_batch, save, sort_metadata

FOLDER = DATA / "generation"
VOCAB = 43  # more than the 40 candidates that "selfhash" looks at
SMALL = 21


def scores_of(rng, rows, vocab=VOCAB):
    return torch.randn(rows, vocab, generator=rng) * torch.tensor([3.0, 0.5, 1.5, 2.0, 1.0, 4.0])[:rows, None]


def ids_of(rng, rows, length, vocab=VOCAB):
    return torch.randint(3, vocab, (rows, length), generator=rng)


class Cases:
    def __init__(self):
        self.entries, self.tensors = [], {}

    def add(self, name, cls, arguments, calls, extra=None):
        """calls: pairs of ids and scores, for one object."""
        processor = cls(**arguments, **(extra or {}))
        self.entries.append({"name": name, "class": cls.__name__, "arguments": arguments, "calls": len(calls)})
        for i, (ids, scores) in enumerate(calls):
            processed = processor(ids, scores.clone())
            assert not processed.isnan().any(), name
            for key, value in {"input_ids": ids, "scores": scores, "processed": processed}.items():
                self.tensors[f"{name}.{i}.{key}"] = value
        results = [self.tensors[f"{name}.{i}.processed"] for i in range(len(calls))]
        print(name, arguments, [int((r != s[: len(r)]).sum()) for r, (_, s) in zip(results, calls)], flush=True)

    def write(self, name):
        lines = ",\n".join("  " + json.dumps(entry) for entry in self.entries)
        (FOLDER / f"{name}.json").write_text(f"[\n{lines}\n]\n")
        save(FOLDER / f"{name}.safetensors", self.tensors)


GREEN = {
    "default": {},
    "lefthash": dict(greenlist_ratio=0.4, bias=1.5, context_width=3),
    "selfhash": dict(seeding_scheme="selfhash"),
    "selfhash_wide": dict(seeding_scheme="selfhash", context_width=4, greenlist_ratio=0.5, bias=-0.75),
    "large_key": dict(hashing_key=2**62 + 12345, seeding_scheme="lefthash"),
    "selfhash_other_key": dict(hashing_key=987654321, seeding_scheme="selfhash", context_width=2, greenlist_ratio=0.3),
    "negative_key": dict(hashing_key=-77, seeding_scheme="lefthash"),
}


def green_lists(cases):
    for name, arguments in GREEN.items():
        rng = generator("green", name)
        calls = [(ids_of(rng, rows, length), scores_of(rng, rows)) for rows, length in [(3, 5), (1, 1)]]
        cases.add(f"green_{name}", logits_process.WatermarkLogitsProcessor, arguments, calls, dict(vocab_size=VOCAB, device="cpu"))


def detections():
    entries = []
    config = transformers.LlamaConfig(vocab_size=VOCAB, bos_token_id=1)
    for name, arguments in GREEN.items():
        for repeated in (False, True):
            rng = generator("detection", name)
            watermarking = transformers.WatermarkingConfig(**arguments)
            processor = watermarking.construct_processor(VOCAB, "cpu")
            ids = ids_of(rng, 3, 4)
            for _ in range(24):  # rows with the watermark, without, and of few different tokens
                scores = torch.randn(3, VOCAB, generator=rng)
                scores[2, 5:] -= 100
                marked = processor(ids, scores.clone())
                scores[0] = marked[0]
                scores[2] = marked[2]
                ids = torch.cat([ids, scores.argmax(-1, keepdim=True)], -1)
            if repeated:
                ids[:, 0] = 1
            detector = transformers.WatermarkDetector(config, "cpu", watermarking, ignore_repeated_ngrams=repeated)
            out = detector(ids, z_threshold=2.0, return_dict=True)
            fields = {key: value.tolist() for key, value in vars(out).items()}
            entries.append({"config": arguments, "ignore_repeated_ngrams": repeated, "input_ids": ids.tolist(), **fields})
            print(name, repeated, fields["z_score"], fields["prediction"])
    lines = ",\n".join("  " + json.dumps(entry) for entry in entries)
    (FOLDER / "watermarks.json").write_text(f"[\n{lines}\n]\n")


SYNTHID = {
    "default": dict(ngram_len=4, keys=[654, 400, 836, 123]),
    "short_history": dict(ngram_len=2, keys=[5, -6, 2**62 + 1], context_history_size=2, sampling_table_size=101),
    "skips": dict(ngram_len=3, keys=[9, 8], skip_first_ngram_calls=True, sampling_table_seed=7),
    "debug": dict(ngram_len=3, keys=[1, 2, 3], debug_mode=True),
}


def synthid(cases):
    """Calls as generate makes them; contexts come again where a row says the same token."""
    for name, arguments in SYNTHID.items():
        rng = generator("synthid", name)
        ids = ids_of(rng, 2, 3, SMALL)
        calls = []
        for step in range(6):
            scores = scores_of(rng, 2, SMALL)
            scores[1, 7:15] = -float("inf")
            calls.append((ids, scores))
            ids = torch.cat([ids, torch.tensor([[9 if step % 2 else 4], [5]])], -1)
        arguments = {"context_history_size": 1024, "sampling_table_seed": 0, "sampling_table_size": 2**16, **arguments}
        cases.add(f"synthid_{name}", logits_process.SynthIDTextWatermarkLogitsProcessor, arguments, calls, dict(device="cpu"))


def guidance(cases):
    rng = generator("guidance")
    half = ids_of(rng, 2, 3), scores_of(rng, 4)
    cases.add("guidance", logits_process.ClassifierFreeGuidanceLogitsProcessor, dict(guidance_scale=1.7), [half])
    dia = logits_process.DiaClassifierFreeGuidanceLogitsProcessor
    cases.add("dia_guidance", dia, dict(guidance_scale=2.5, guidance_top_k=None), [half])
    cases.add("dia_guidance_top_k", dia, dict(guidance_scale=2.5, guidance_top_k=7), [half])


def audio(cases):
    rng = generator("audio")
    calls = [(ids_of(rng, 2, length), scores_of(rng, 2)) for length in (4, 5)]
    books = dict(input_start_len=2, semantic_vocab_size=9, codebook_size=15)
    cases.add("codebooks", logits_process.AlternatingCodebooksLogitsProcessor, books, calls)

    bark = logits_process.BarkEosPrioritizerLogitsProcessor
    scores = scores_of(rng, 4)
    scores[:, 8] = scores.logsumexp(-1) + torch.tensor([-1.2, -0.6, 0.3, -5.0])  # probabilities 0.23, 0.35, 0.57, 0.01
    for name, arguments in {"some": dict(eos_token_id=[8, 30], min_eos_p=0.3), "off": dict(eos_token_id=[8], min_eos_p=None)}.items():
        cases.add(f"bark_{name}", bark, arguments, [(ids_of(rng, 4, 3), scores)])

    scores = scores_of(rng, 6)
    scores[0, 20] = scores[5, 20] = 14.0  # of the first channel, and of the last
    channels = dict(num_channels=3, eos_token_id=20)
    cases.add("dia_channels", logits_process.DiaEOSChannelFilterLogitsProcessor, channels, [(ids_of(rng, 2, 3), scores)])
    calls = []
    for step in range(7):
        scores = scores_of(rng, 6, SMALL)
        scores[0, 20] = 15.0 if step == 1 else -5.0
        scores[3, 20] = -5.0
        calls.append((ids_of(rng, 2, 3 + step), scores))
    delays = dict(delay_pattern=[0, 1, 3], eos_token_id=20, max_generation_len=10)
    cases.add("dia_delays", logits_process.DiaEOSDelayPatternLogitsProcessor, delays, calls)

    # Words up to 29, of which 25 ends; 30 is no_timestamps, times from 31 on; two tokens come before the first.
    texts = {
        "first": [[]],
        "pairs": [[31, 4], [33, 33], [5, 36], [36, 7], [31, 31]],
        "longer": [[31, 4, 34], [31, 6, 7], [31, 31, 33], [31, 8, 35], [31, 9, 31]],
        "one": [[32], [4], [31], [42], [25]],
    }
    for name, said in texts.items():
        ids = torch.tensor([[1, 2, *row] for row in said])
        rows = scores_of(rng, len(said))
        for detect, latest in ((True, 3), (False, None)):
            config = transformers.GenerationConfig(eos_token_id=25)
            config.no_timestamps_token_id = 30
            config.max_initial_timestamp_index = latest
            settings = dict(eos_token_id=25, no_timestamps_token_id=30, max_initial_timestamp_index=latest)
            settings["detect_timestamp_from_logprob"] = detect

            class Whisper(logits_process.WhisperTimeStampLogitsProcessor):
                def __init__(self, **arguments):
                    super().__init__(config, 2, detect)

            Whisper.__name__ = "WhisperTimeStampLogitsProcessor"
            cases.add(f"whisper_{name}_{'detects' if detect else 'plain'}", Whisper, settings, [(ids, rows)])


def mean_score(g_values, mask):
    """synthid-text's detector_mean.mean_score"""
    return (g_values * mask[:, :, None]).sum((1, 2)) / (g_values.shape[-1] * mask.sum(1))


def weighted_mean_score(g_values, mask):
    """synthid-text's detector_mean.weighted_mean_score"""
    weights = np.linspace(10, 1, g_values.shape[-1])
    weights *= g_values.shape[-1] / weights.sum()
    return mean_score(g_values * weights, mask)


def synthid_detections():
    """What detectors see and say, and a detector of random weights."""
    config = transformers.SynthIDTextWatermarkingConfig(ngram_len=3, keys=[11, 22, 33, 44, 55], context_history_size=8)
    processor = config.construct_processor(VOCAB, "cpu")
    rng = generator("synthid detection")
    ids = ids_of(rng, 3, 2)
    for _ in range(20):
        scores = torch.randn(3, VOCAB, generator=rng)
        marked = processor(ids, scores.clone())
        scores[0], scores[2] = marked[0], marked[2]
        ids = torch.cat([ids, scores.argmax(-1, keepdim=True)], -1)
    ids[1, 9:13] = ids[1, 4]
    ids[2, 15] = 2
    torch.manual_seed(5)
    model = transformers.BayesianDetectorModel(transformers.BayesianDetectorConfig(watermarking_depth=5, base_rate=0.3))
    model.config.set_detector_information("llama", config.to_dict())
    with torch.no_grad():
        model.likelihood_model_watermarked.beta.normal_()
        model.likelihood_model_watermarked.delta.normal_()
        model.prior.fill_(0.35)
    folder = FOLDER / "bayesian_detector"
    model.save_pretrained(folder)
    sort_metadata(folder / "model.safetensors")
    model = transformers.BayesianDetectorModel.from_pretrained(folder).eval()

    class Tokenizer:
        eos_token_id = 2

    detector = transformers.SynthIDTextWatermarkDetector(model, config.construct_processor(VOCAB, "cpu"), Tokenizer())
    posterior = detector(ids)[0]
    g = processor.compute_g_values(ids)
    repeated = processor.compute_context_repetition_mask(ids)
    text = processor.compute_eos_token_mask(ids, 2)
    mask = repeated * text[:, config.ngram_len - 1 :]
    fields = dict(input_ids=ids, g_values=g, repetition_mask=repeated.long(), eos_mask=text.long(), posterior=posterior)
    fields["mean"] = mean_score(g.double().numpy(), mask.numpy())
    fields["weighted_mean"] = weighted_mean_score(g.double().numpy(), mask.numpy())
    fields = {key: value.tolist() for key, value in fields.items()}
    fields["expected_mean"] = processor.expected_mean_g_value(VOCAB)
    print(fields["posterior"], fields["mean"], fields["weighted_mean"])
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in fields.items())
    (FOLDER / "synthid.json").write_text(f"{{\n{lines}\n}}\n")


def watermarked():
    """Texts of generate itself that have a watermark, by greedy search and beams."""
    import generation

    green = dict(greenlist_ratio=0.3, bias=3.0)
    settings = {
        "lefthash": dict(watermarking_config=dict(**green)),
        "selfhash": dict(watermarking_config=dict(seeding_scheme="selfhash", context_width=2, **green)),
        "beams": dict(watermarking_config=dict(**green), num_beams=3, pad_token_id=generation.BEAM_PAD),
        "synthid": dict(watermarking_config=dict(ngram_len=3, keys=[5, 6, 7, 8, 9, 10])),
    }
    entries = []
    for name, config in settings.items():
        config = dict(max_new_tokens=14, eos_token_id=[], **config)
        kind = transformers.SynthIDTextWatermarkingConfig if name == "synthid" else transformers.WatermarkingConfig
        called = dict(config, watermarking_config=kind(**config["watermarking_config"]))
        for attempt in range(64):
            inputs = padded_batch(generator("watermarked", name, attempt), 41, [5, 8, 3], "left")
            output = generation.generate("llama", inputs, called)
            if generation.is_clear("llama", inputs, called, output):
                break
        else:
            raise RuntimeError(f"{name}: no clear choice")
        fields = {key: value.tolist() for key, value in {**inputs, "sequences": output.sequences}.items()}
        entries.append({"name": name, "config": config, **fields})
        print(name, attempt, fields["sequences"][0][8:])
    lines = ",\n".join("  " + json.dumps(entry) for entry in entries)
    (FOLDER / "watermarked.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    cases = Cases()
    green_lists(cases)
    synthid(cases)
    guidance(cases)
    audio(cases)
    cases.write("alone")
    detections()
    synthid_detections()
    watermarked()
