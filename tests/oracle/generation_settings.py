#!/usr/bin/env python3
"""Which values of generation settings Transformers ignores, refuses or applies: the scores after its processors, for
each field's values in and out of range, and for settings drawn at random. Goldens of tests/generation/settings.cpp.

    python tests/oracle/generation_settings.py        writes tests/data/generation/settings.json
"""
import json, math, pathlib, random, warnings

import torch, transformers
from transformers import AutoModelForCausalLM, GenerationConfig

import seeded

transformers.logging.set_verbosity_error()
warnings.simplefilter("ignore")
DATA = pathlib.Path(__file__).parent.parent / "data"
PROMPT = [5, 6, 5, 7, 6, 5]
SCORES = [2.0, -1.5, 0.5, 1.0, -0.25, 3.0, 2.5, 1.75, -3.0, 0.0, 0.75, -0.5]
EOS = 3

# Sampling is on where a field is one of sampling's.
SAMPLED = {
    "temperature": [0.0, -1.0, 0.5, 1.0, 3.0, None],
    "top_k": [-3, 0, 1, 4, 50, None],
    "top_p": [-0.5, 0.0, 0.5, 1.0, 1.5, 100.0, None],
    "min_p": [-0.1, 0.0, 0.2, 1.0, 1.2, None],
    "top_h": [-0.5, 0.0, 0.4, 0.9, 1.5, None],
    "typical_p": [-0.5, 0.0, 0.4, 1.0, 1.5, None],
    "epsilon_cutoff": [-0.5, 0.0, 0.05, 1.0, 2.0, None],
    "eta_cutoff": [-0.5, 0.0, 0.2, 1.0, 2.0, None],
}
ALWAYS = {
    "repetition_penalty": [-1.0, 0.0, 0.8, 1.0, 1.5, None],
    "encoder_repetition_penalty": [-1.0, 0.0, 0.8, 1.0, 1.5, None],
    "no_repeat_ngram_size": [-2, 0, 1, 2, 3, None],
    "encoder_no_repeat_ngram_size": [-2, 0, 1, 2, None],
    "min_length": [-5, 0, 5, 9, None],
    "min_new_tokens": [-3, 0, 2, None],
    "exponential_decay_length_penalty": [[-2, 1.5], [-1, 0.5], [-3, -1.5], [-2, 0.0], [4, 1.1], None],
    "suppress_tokens": [[-1], [1, 2], [50], [2, -7, 90]],
    "begin_suppress_tokens": [[-1], [0, 4], [70]],
    "forced_eos_token_id": [2, [1, 4], -1],
    "renormalize_logits": [True, False, None],
    "remove_invalid_values": [True, False],
    "num_return_sequences": [2],
    "max_new_tokens": [0, -4, 1],
    "early_stopping": ["sometimes", "never", True],
}


class Captured(Exception):
    pass


model = AutoModelForCausalLM.from_pretrained(seeded.checkpoint(DATA / "models" / "llama" / "tied"), dtype=torch.float32)
model.generation_config = GenerationConfig(eos_token_id=EOS, pad_token_id=0)
original = model._get_logits_processor


def capture(*args, **kwargs):
    raise Captured(original(*args, **kwargs))


model._get_logits_processor = capture


def case(settings):
    try:
        ids = torch.tensor([PROMPT])
        config = GenerationConfig(**settings)
        model.generate(ids, generation_config=config, max_new_tokens=settings.get("max_new_tokens", 1), attention_mask=torch.ones_like(ids))
    except Captured as c:
        try:
            scores = c.args[0](torch.tensor([PROMPT]), torch.tensor([SCORES]))[0].tolist()
        except (ValueError, IndexError):
            return {"settings": settings, "raises": True}
        return {"settings": settings, "scores": [s if math.isfinite(s) else None for s in scores]}
    except ValueError:
        return {"settings": settings, "raises": True}


cases = [case({})]
for fields, sampled in ((SAMPLED, True), (ALWAYS, False)):
    for name, values in fields.items():
        for value in values:
            cases.append(case({name: value} | ({"do_sample": True, "top_k": 0} if sampled and name != "top_k" else {"do_sample": True} if sampled else {})))
            if sampled:  # without sampling it is ignored, whatever it is
                cases.append(case({name: value}))
cases += [
    case({"suppress_tokens": [1, 2], "forced_eos_token_id": 2}),
    case({"suppress_tokens": [1, 2], "forced_bos_token_id": 2}),
    case({"suppress_tokens": [1, 2], "forced_eos_token_id": [2, 5]}),
]
draw = random.Random(1)
for _ in range(150):
    settings = {"do_sample": True} if draw.random() < 0.7 else {}
    for name, values in (SAMPLED | ALWAYS).items():
        if name not in ("max_new_tokens", "early_stopping", "num_return_sequences", "forced_eos_token_id") and draw.random() < 0.2:
            settings[name] = draw.choice(values)
    cases.append(case(settings))
raising = sum("raises" in c for c in cases)
print(len(cases), "cases,", raising, "refused")
out = {"versions": {"transformers": transformers.__version__, "torch": torch.__version__}, "prompt": PROMPT, "scores": SCORES, "eos_token_id": EOS, "cases": cases}
with open(DATA / "generation" / "settings.json", "w") as f:
    json.dump(out, f, separators=(",", ":"))
    f.write("\n")
