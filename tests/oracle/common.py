"""What every oracle script shares: random weights, named passes, greedy generation and the golden file.

A case is a folder as save_pretrained writes it, with weights.json for its weights (seeded.py), plus golden.safetensors.
The goldens are always computed by a model read back from that folder in float32, by the class its config.json names, so
what is compared is what a user would load.
"""

import contextlib
import json
import pathlib
import re
import shutil
import sys
import zlib

import safetensors
import safetensors.torch
import torch
import torch.overrides
import transformers

import seeded

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"

# Two logits nearer than this may change places in another summation order: ids would then be no fair demand.
MIN_MARGIN = 1e-3

PAD, BOS, EOS = 0, 1, 2

# Buffers of MiniMax and RoFormer that are computed of their config, and need not be in a checkpoint
DECAYS = r"\.(slope_rate|(query|key|diagonal)_decay)$|\.encoder\.embed_positions\.weight$|^encoder\.embed_positions\.weight$"

# What encoders have besides: of pretraining, of entities, of answers by beams
MORE_OUTPUTS = ("prediction_logits", "seq_relationship_logits", "sop_logits", "entity_last_hidden_state", "entity_logits")
MORE_OUTPUTS += ("start_top_log_probs", "start_top_index", "end_top_log_probs", "end_top_index", "cls_logits")

# And of two heads, of images
MORE_OUTPUTS += ("mc_logits", "reconstruction")

# So too the sinusoids of Pegasus
SINUSOIDS = r"^model\.(encoder|decoder)\.embed_positions\.weight$"


class Routing(torch.overrides.TorchFunctionMode):
    """Within it, `gap` becomes the smallest distance of a k-th score and the next over all calls of topk, which is how
    routers choose experts (and groups of them): nearer ones may change places in another summation order."""

    def __init__(self):
        super().__init__()
        self.gap = float("inf")

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function in (torch.topk, torch.Tensor.topk):
            scores, k = args[0], (kwargs or {}).get("k", args[1] if len(args) > 1 else None)
            if k < scores.shape[-1]:
                ordered = scores.detach().float().sort(-1, descending=True).values
                self.gap = min(self.gap, (ordered[..., k - 1] - ordered[..., k]).min().item())
        return result


torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def versions(**more):
    """The safetensors metadata of a golden: which packages and which script made it."""
    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "script": "tests/oracle/" + pathlib.Path(sys.argv[0]).name,
        **{key: str(value) for key, value in more.items()},
    }


def save(path, tensors, **metadata):
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}  # passes may share inputs
    safetensors.torch.save_file(tensors, path, versions(**metadata))
    sort_metadata(path)


def sort_metadata(path):
    """The safetensors package writes the metadata map in random order; sorted, a golden remade is the same bytes."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


def generator(*names):
    """A torch generator seeded by names, so that adding a case changes no other."""
    return torch.Generator().manual_seed(zlib.crc32("/".join(map(str, names)).encode()))


def ids(rng, vocab_size, *shape):
    """Random token ids above the special ones."""
    return torch.randint(3, vocab_size, shape, generator=rng)


def lengths_mask(lengths, side):
    """The attention mask (B, T) of rows with the given lengths, padded on the given side."""
    width = max(lengths)
    rows = []
    for length in lengths:
        ones, zeros = [1] * length, [0] * (width - length)
        rows.append(zeros + ones if side == "left" else ones + zeros)
    return torch.tensor(rows)


def positions_of(mask):
    """Positions that count unpadded tokens only, as Transformers' generate() makes them."""
    return (mask.cumsum(-1) - 1).clamp(min=0)


def padded_batch(rng, vocab_size, lengths, side):
    mask = lengths_mask(lengths, side)
    return {"input_ids": ids(rng, vocab_size, *mask.shape).masked_fill(mask == 0, PAD), "attention_mask": mask}


def causal_passes(rng, vocab_size, long_length):
    """The passes of every causal model."""
    left = padded_batch(rng, vocab_size, [6, 9, 2], "left")
    return {
        "one_token": {"input_ids": ids(rng, vocab_size, 1, 1)},
        "single": {"input_ids": ids(rng, vocab_size, 1, 11)},
        "batch": {"input_ids": ids(rng, vocab_size, 3, 7)},
        "right_padded": padded_batch(rng, vocab_size, [9, 4, 7], "right"),
        "left_padded": left,
        "left_padded_positions": {**left, "position_ids": positions_of(left["attention_mask"])},
        "long": {"input_ids": ids(rng, vocab_size, 1, long_length)},
    }


def causal_generations(rng, vocab_size):
    """The greedy generations of every causal model: one prompt, and a left-padded batch."""
    return {
        "greedy": {"input_ids": ids(rng, vocab_size, 1, 5)},
        "greedy_batch": padded_batch(rng, vocab_size, [4, 7, 2], "left"),
    }


def load(folder, **options):
    """The model of a folder in float32, by the class config.json names; anything missing or left over is an error."""
    architecture = json.loads((folder / "config.json").read_text())["architectures"][0]
    options = {"dtype": torch.float32, **options}
    cls = getattr(transformers, architecture)
    model, info = cls.from_pretrained(seeded.checkpoint(folder), output_loading_info=True, **options)
    computed = f"{DECAYS}|{SINUSOIDS}" if architecture.startswith("Pegasus") else DECAYS
    info["missing_keys"] = [name for name in info["missing_keys"] if not re.search(computed, name)]
    wrong = {key: value for key, value in info.items() if value and key != "unexpected_keys"}
    if wrong:
        raise RuntimeError(f"{folder}: {wrong}")
    return model.eval()


@torch.no_grad()
def run_pass(folder, inputs, routing=None):
    """One forward pass of a freshly loaded model (dynamic RoPE keeps state between calls)."""
    model = load(folder)
    if model._supports_sdpa:
        assert model.config._attn_implementation == "sdpa", model.config._attn_implementation
    options = {"use_cache": False} if hasattr(model.config, "use_cache") else {}
    with routing or contextlib.nullcontext():
        output = model(**inputs, **options)
    names = ("logits", "last_hidden_state", "pooler_output", "encoder_last_hidden_state", "start_logits", "end_logits")
    names += MORE_OUTPUTS
    names += ("logits_ngram",)  # of ProphetNet
    return {name: output[name] for name in names if output.get(name) is not None}


def smallest_margin(logits, sequences, prompt_length, eos):
    """The smallest distance of the best two scores over the steps of unfinished rows; logits is a tuple of (B, V)."""
    margin = float("inf")
    finished = torch.zeros(sequences.shape[0], dtype=torch.bool)
    for step, scores in enumerate(logits):
        best = scores.float().topk(2).values
        gaps = (best[:, 0] - best[:, 1])[~finished]
        if gaps.numel():
            margin = min(margin, gaps.min().item())
        finished |= torch.isin(sequences[:, prompt_length + step], torch.tensor(eos))
    return margin


def prompt_length(config, inputs):
    """How many tokens of a generated sequence were not generated."""
    return 1 if getattr(config, "is_encoder_decoder", False) else inputs["input_ids"].shape[1]


@torch.no_grad()
def run_greedy(folder, inputs, routing=None, **options):
    """Greedy ids of a freshly loaded model, with the cache as generate() uses it by default, and their margin."""
    model = load(folder)
    options = {"do_sample": False, "max_new_tokens": 12, "pad_token_id": PAD, **options}
    with contextlib.nullcontext() if routing is None or options.get("num_beams", 1) > 1 else routing:
        output = model.generate(**inputs, **options, return_dict_in_generate=True, output_scores=True)
    eos = options.get("eos_token_id", model.generation_config.eos_token_id)
    eos = [] if eos is None else [eos] if isinstance(eos, int) else list(eos)
    if options.get("num_beams", 1) > 1:  # what beams keep hangs on sums: see generation.py
        return {"sequences": output.sequences}, float("inf")
    margin = smallest_margin(output.scores, output.sequences, prompt_length(model.config, inputs), eos)
    return {"sequences": output.sequences}, margin


def edit_json(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content, indent=2) + "\n")


def edit_tensors(path, edit):
    """Rewrites a checkpoint's tensors: edit takes and returns a dict by name."""
    tensors = edit(safetensors.torch.load_file(path))
    safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, path, {"format": "pt"})


def write_case(
    arch,
    case,
    make,
    passes,
    generations=None,
    dtype=torch.float32,
    max_shard_size="1GB",
    config_edit=None,
    tensors_edit=None,
    weights=None,
):
    """Writes tests/data/models/<arch>/<case>.

    make() builds the model, whose values are replaced (weights: arguments of seeded.interval); passes(rng, config) and
    generations(rng, config) give the inputs by name. The seed advances until every greedy choice and every
    choice of experts has a clear margin.
    """
    folder = DATA / "models" / arch / case
    for attempt in range(64):
        rng = generator(arch, case, attempt)
        shutil.rmtree(folder, ignore_errors=True)
        model = make()
        model.to(dtype).save_pretrained(folder, max_shard_size=max_shard_size)
        if config_edit:
            edit_json(folder / "config.json", config_edit)
        if tensors_edit:
            edit_tensors(folder / "model.safetensors", tensors_edit)
        seeded.replace_weights(folder, attempt, **(weights or {}))

        golden, margin, routing = {}, float("inf"), Routing()
        for name, inputs in passes(rng, model.config).items():
            for key, value in {**inputs, **run_pass(folder, inputs, routing)}.items():
                golden[f"{name}.{key}"] = value
        kinds = set()
        for name, inputs in (generations(rng, model.config) if generations else {}).items():
            options = inputs.pop("options", {})
            result, gap = run_greedy(folder, inputs, routing, **options)
            margin = min(margin, gap)
            kinds.update(result["sequences"][:, prompt_length(model.config, inputs) :].flatten().tolist())
            for key, value in {**inputs, **result}.items():
                golden[f"{name}.{key}"] = value
        assert all(value.isfinite().all() for value in golden.values() if value.is_floating_point())
        # A model that repeats one token would hide a wrong step.
        if routing.gap > MIN_MARGIN and (not generations or (margin > MIN_MARGIN and len(kinds) >= 6)):
            break
    else:
        raise RuntimeError(f"{arch}/{case}: no seed gives clear greedy choices")

    facts = {"seed": attempt}
    if generations:
        facts["smallest_margin"] = f"{margin:.4g}"
    if routing.gap < float("inf"):
        facts["smallest_routing_gap"] = f"{routing.gap:.4g}"
    save(folder / "golden.safetensors", golden, **facts)
    size = sum(f.stat().st_size for f in folder.iterdir())
    spread = max((v.float().std().item() for k, v in golden.items() if k.endswith("logits")), default=0)
    print(f"{arch}/{case}: {size // 1024} KiB, logits spread {spread:.2f}, {facts}", flush=True)
