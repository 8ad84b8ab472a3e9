"""examples/python: what its README shows, results against Transformers' own (tests/data), memory, errors and threads.

module.py REPOSITORY FOLDER    FOLDER/llama has the checkpoints of tests/data/models/llama with their weights; what is
                               written goes to FOLDER. Parts for numpy and torch are skipped where these are missing, or
                               too old.
"""
import array
import contextlib
import gc
import io
import json
import os
import pathlib
import re
import resource
import signal
import struct
import sys
import threading
import time
import warnings

import hft

try:
    import numpy
    if tuple(map(int, numpy.__version__.split(".")[:2])) < (2, 1):
        numpy = None  # it knows no versions of DLPack, hence nothing that is read-only
except ImportError:
    numpy = None
try:
    import torch
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 9):
        torch = None  # the same
except ImportError:
    torch = None

repository, work = map(pathlib.Path, sys.argv[1:])
data, llama = repository / "tests/data", work / "llama"
toy = str(repository / "examples/toy_llama/model.q8_0.gguf")
tests = []


def test(needs=()):
    def add(f):
        tests.append((f, [n for n in needs if globals()[n] is None]))
        return f
    return add


def raises(kind, text, f, *args, **kwargs):
    try:
        f(*args, **kwargs)
    except kind as e:
        assert type(e) is kind and text in str(e), f"expected {text!r} in {kind.__name__}, got {e!r}"
        return
    raise AssertionError(f"expected {kind.__name__}: {text}")


def golden(case):
    """The tensors of a case as nested lists."""
    raw = (data / "models/llama" / case / "golden.safetensors").read_bytes()
    size, = struct.unpack("<Q", raw[:8])
    def nested(values, shape):
        if not shape:
            return values[0]
        step = len(values) // shape[0]
        return [nested(values[i * step:(i + 1) * step], shape[1:]) for i in range(shape[0])]
    out = {}
    for name, t in json.loads(raw[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + at for at in t["data_offsets"])
            out[name] = nested(array.array({"F32": "f", "I64": "q"}[t["dtype"]], raw[begin:end]).tolist(), t["shape"])
    return out


def flat(x):
    return [z for y in x for z in flat(y)] if isinstance(x, list) else [x]


def close(got, expected, tolerance=2e-4):
    got, expected = flat(got), flat(expected)
    assert len(got) == len(expected)
    limit = tolerance * max(map(abs, expected))
    worst = max(abs(a - b) for a, b in zip(got, expected))
    assert worst <= limit, f"expected a difference of at most {limit}, got {worst}"


def load(case="base"):
    return hft.AutoModelForCausalLM.from_pretrained(str(llama / case))


@test()
def forward_and_generate_are_those_of_transformers():
    model, g = load(), golden("base")
    for case in "batch", "single", "long", "one_token":
        logits = model.forward(g[case + ".input_ids"])
        assert logits.dtype == "f32" and logits.shape[2] == 99
        close(logits.tolist(), g[case + ".logits"])
    case, mask = "left_padded.input_ids", g["left_padded.attention_mask"]
    rows = [(row, kept) for row, kept in zip(g["left_padded.logits"], mask)]
    got = model.forward(g[case], attention_mask=mask).tolist()
    for row, (expected, kept) in zip(got, rows):
        close([x for x, k in zip(row, kept) if k], [x for x, k in zip(expected, kept) if k])
    steps = len(g["greedy.sequences"][0]) - len(g["greedy.input_ids"][0])
    assert model.generate(g["greedy.input_ids"], max_new_tokens=steps).tolist() == g["greedy.sequences"]
    assert model.generate(g["greedy_batch.input_ids"], attention_mask=g["greedy_batch.attention_mask"],
                          max_new_tokens=steps).tolist() == g["greedy_batch.sequences"]
    assert model.config["model_type"] == "llama" and model.config["vocab_size"] == 99


@test()
def tokenizers_are_those_of_transformers():
    tokenizer = hft.AutoTokenizer.from_pretrained(str(data / "tokenizers/gpt2.json"))
    cases = json.loads((data / "tokenizers/gpt2.golden.json").read_text())["encode"]
    cases = [case for case in cases if isinstance(case["input"], str)]
    assert len(cases) > 10
    for case in cases:
        ids = case["encoding"]["ids"]
        assert tokenizer.encode(case["input"]) == ids
        assert tokenizer.decode(ids) == case["input"], (tokenizer.decode(ids), case["input"])
    raises(ValueError, "chat", tokenizer.apply_chat_template, [{"role": "user", "content": "x"}])


@test()
def sampling_depends_on_its_seed():
    model = load()
    def draw(seed):
        return model.generate([[5, 6, 7]], do_sample=True, seed=seed, max_new_tokens=12, top_k=0).tolist()
    assert draw(1) == draw(1) != draw(2)


@test()
def stop_strings_need_a_tokenizer():
    model, tokenizer = hft.AutoModelForCausalLM.from_pretrained(toy), hft.AutoTokenizer.from_pretrained(toy)
    ids = [tokenizer.encode("It is a truth")]
    raises(ValueError, "stop_strings", model.generate, ids, stop_strings=["e"], max_new_tokens=60)
    raises(TypeError, "tokenizer", model.generate, ids, stop_strings=["e"], tokenizer=model)
    stopped = model.generate(ids, stop_strings=["e"], max_new_tokens=60, tokenizer=tokenizer).tolist()[0]
    assert "e" in tokenizer.decode(stopped[-1:]), stopped


@test()
def training_lowers_the_loss_and_is_saved():
    ids = golden("base")["batch.input_ids"]
    for lora in None, {"r": 4, "target_modules": "all-linear"}:
        trained = hft.TrainingModel.from_pretrained(str(llama / "base"), lora=lora, weight_decay=0.01, seed=3)
        losses = [trained.training_step(input_ids=ids, labels=ids, learning_rate=1e-2) for _ in range(12)]
        assert losses[-1] < 0.8 * losses[0], losses
        folder = work / ("adapter" if lora else "whole")
        trained.save_pretrained(str(folder))
        model = load() if lora else hft.AutoModelForCausalLM.from_pretrained(str(folder))
        before = model.forward(ids).tolist() if lora else None
        if lora:
            model.load_adapter(str(folder))
        assert model.forward(ids).tolist() != before
        raises(ValueError, "position_id", trained.training_step, input_ids=ids, labels=ids, position_id=ids)
        raises(ValueError, "labels", trained.training_step, input_ids=ids)
    raises(ValueError, "r", hft.TrainingModel.from_pretrained, str(llama / "base"), lora={"r": 0})
    raises(ValueError, "optim", hft.TrainingModel.from_pretrained, str(llama / "base"), optim="none")


@test()
def errors_are_pythons():
    auto, model = hft.AutoModelForCausalLM, load()
    raises(OSError, "nowhere", auto.from_pretrained, str(work / "nowhere"))
    raises(ValueError, "dtype", auto.from_pretrained, str(llama / "base"), dtype="f33")
    other = work / "other"
    other.mkdir(exist_ok=True)
    (other / "config.json").write_text('{"model_type": "unheard_of"}')
    (other / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    raises(NotImplementedError, "unheard_of", auto.from_pretrained, str(other))
    llama_config = json.loads((llama / "base/config.json").read_text())
    (other / "config.json").write_text(json.dumps({**llama_config, "vocab_size": -1}))
    raises(ValueError, "vocab_size", auto.from_pretrained, str(other))
    (other / "config.json").write_text('{"model_type')
    raises(ValueError, "config.json", auto.from_pretrained, str(other))
    raises(ValueError, "max_new_token", model.generate, [[5]], max_new_token=3)
    raises(ValueError, "id < 99", model.forward, [[99]])
    raises(ValueError, "row 1", model.forward, [[5, 6], [7]])
    raises(ValueError, "input_ids", model.forward, [["x"]])
    raises(TypeError, "__dlpack__", model.forward, 7)
    raises(TypeError, "forward", model.forward)
    raises(TypeError, "hft.Tensor", hft.Tensor)
    raises(ValueError, "set_num_threads", hft.set_num_threads, 0)


@test()
def warnings_are_pythons():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        hft.AutoModelForCausalLM.from_pretrained(str(work / "extra"))
    assert len(seen) == 1 and "surplus" in str(seen[0].message), seen
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raises(UserWarning, "surplus", hft.AutoModelForCausalLM.from_pretrained, str(work / "extra"))


@test()
def capsules_say_what_they_are():
    logits = load().forward([[5, 6]])
    assert logits.__dlpack_device__() == (1, 0)
    for arguments in {}, {"copy": True}, {"max_version": (0, 8)}, {"dl_device": (1, 0)}:
        assert '"dltensor"' in repr(logits.__dlpack__(**arguments))
    for version in (1, 0), (1, 3), (2, 0):
        assert '"dltensor_versioned"' in repr(logits.__dlpack__(max_version=version))
    raises(BufferError, "cpu", logits.__dlpack__, dl_device=(2, 0))
    raises(BufferError, "cpu", logits.__dlpack__, stream=1)


@test()
def memory_is_let_go():
    model, ids = load(), [[5] * 32] * 64
    def most_memory():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # MB
    for i in range(160):  # of 0.8 MB each
        logits = model.forward(ids)
        logits.__dlpack__(), logits.__dlpack__(max_version=(1, 0)), logits.__dlpack__(copy=True)  # nobody takes them
        if numpy:
            numpy.from_dlpack(logits)
        if i == 9:
            before = most_memory()
    assert most_memory() - before < 80, most_memory() - before


@test()
def weights_are_read_only_views():
    for dtype in None, "bf16":  # mapped, and hft's own memory
        weights = hft.AutoModelForCausalLM.from_pretrained(str(llama / "base"), dtype=dtype).named_parameters()
        head = weights["lm_head.weight"]
        assert weights["model.norm.weight"].shape == (64,) and head.shape == (99, 64) and head.dtype == (dtype or "f32")
        raises(BufferError, "read-only", head.__dlpack__)
        assert "versioned" in repr(head.__dlpack__(max_version=(1, 0)))
    assert "lm_head.weight" not in hft.AutoModelForCausalLM.from_pretrained(toy).named_parameters()  # tied, and q8_0


@test(["numpy"])
def numpy_shares_memory():
    model, g = load(), golden("base")
    ids = numpy.array(g["batch.input_ids"])
    references = sys.getrefcount(ids)
    logits = model.forward(ids)
    assert sys.getrefcount(ids) == references  # it was borrowed, and given back
    a, b = numpy.from_dlpack(logits), numpy.from_dlpack(logits)
    copy = numpy.from_dlpack(logits, copy=True)
    assert a.ctypes.data == b.ctypes.data != copy.ctypes.data and a.dtype == numpy.float32 and (a == copy).all()
    a[0, 0, 0] = 7
    assert b[0, 0, 0] == 7 != copy[0, 0, 0] and logits.tolist()[0][0][0] == 7
    expected = a.copy()
    del model, logits, a
    gc.collect()
    others = [load().forward(ids) for _ in range(3)]  # would take the memory if it were free
    assert (b == expected).all()
    del others

    model = load()
    mask = numpy.array(g["left_padded.attention_mask"])
    padded = numpy.array(g["left_padded.input_ids"])
    reference = numpy.from_dlpack(model.forward(padded, mask))
    for other in mask.astype(numpy.int32), mask.astype(bool):
        assert (numpy.from_dlpack(model.forward(padded.astype(numpy.int32), attention_mask=other)) == reference).all()
    read_only = padded.copy()
    read_only.flags.writeable = False
    assert (numpy.from_dlpack(model.forward(read_only, mask)) == reference).all()
    assert numpy.from_dlpack(model.generate(ids, max_new_tokens=2)).dtype == numpy.int64

    references = sys.getrefcount(padded)
    raises(ValueError, "contiguous", model.forward, padded[:, ::2])
    raises(ValueError, "contiguous", model.forward, numpy.asfortranarray(padded))
    raises(ValueError, "expected i64, got f64", model.forward, padded.astype(float))
    raises(ValueError, "2 dimensions", model.forward, padded[0])
    assert sys.getrefcount(padded) == references

    w = numpy.from_dlpack(model.named_parameters()["lm_head.weight"])
    assert not w.flags.writeable and w.shape == (99, 64)


@test(["torch"])
def torch_shares_memory():
    model, g = load(), golden("base")
    ids = torch.tensor(g["batch.input_ids"])
    logits = model.forward(ids)
    a, b = torch.from_dlpack(logits), torch.from_dlpack(logits)
    assert a.data_ptr() == b.data_ptr() and a.dtype == torch.float32
    torch.testing.assert_close(a, torch.tensor(g["batch.logits"]), rtol=0, atol=1e-4)
    del model, logits, a
    assert b.shape == (3, 7, 99) and b.isfinite().all()
    weights = load("bf16").named_parameters()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is read-only
        assert torch.from_dlpack(weights["lm_head.weight"]).dtype == torch.bfloat16
    raises(ValueError, "contiguous", load().forward, ids.T)
    trained = hft.TrainingModel.from_pretrained(str(llama / "base"))
    assert trained.training_step(input_ids=ids, labels=ids) > 0


@test()
def other_threads_run_meanwhile():
    model = hft.AutoModelForCausalLM.from_pretrained(toy)
    def long():
        return model.generate([[5, 6, 7]], max_new_tokens=240, min_new_tokens=240).tolist()
    results = [None] * 2
    def work_on(i):
        results[i] = long()
    threads = [threading.Thread(target=work_on, args=[i]) for i in range(2)]
    for t in threads:
        t.start()
    turns = 0
    while any(t.is_alive() for t in threads):
        turns += 1
        time.sleep(0.001)
    assert turns > 10, turns
    assert results[0] == results[1] == long()


@test()
def a_signal_ends_generation():
    model = hft.AutoModelForCausalLM.from_pretrained(toy)
    def interrupted(*_):
        raise KeyboardInterrupt
    def long():
        return model.generate([[5, 6, 7]] * 8, max_new_tokens=240, min_new_tokens=240, num_beams=2)
    began = time.monotonic()
    long()
    whole = time.monotonic() - began
    before = signal.signal(signal.SIGALRM, interrupted)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    began = time.monotonic()
    raises(KeyboardInterrupt, "", long)
    assert time.monotonic() - began < whole / 2, (time.monotonic() - began, whole)
    signal.signal(signal.SIGALRM, before)
    assert model.generate([[5, 6]], max_new_tokens=2).shape[0] == 1  # it goes on after that


def readme_shows_what_happens():
    """Each block of Python, from the repository's folder; what it prints is the block behind it."""
    page = (repository / "examples/python/README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", page, re.S)
    assert len(blocks) == page.count("```python") == 3
    os.chdir(repository)
    for code, expected in blocks:
        missing = [n for n in ("numpy", "torch") if f", {n}" in code and globals()[n] is None]
        if missing:
            print(f"skipped a block of README.md: no {', '.join(missing)}")
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(code.replace('"adapter"', repr(str(work / "readme_adapter"))), "README.md", "exec"), {})
        assert out.getvalue() == expected, out.getvalue()


def write_extra():
    """The base checkpoint with a tensor that the model has not."""
    source, target = llama / "base", work / "extra"
    target.mkdir(exist_ok=True)
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    raw = (source / "model.safetensors").read_bytes()
    size, = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + size])
    end = len(raw) - 8 - size
    header["surplus"] = {"dtype": "F32", "shape": [1], "data_offsets": [end, end + 4]}
    text = json.dumps(header).encode()
    (target / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + size:] + b"\0" * 4)


write_extra()
tests.append((readme_shows_what_happens, []))
for f, missing in tests:
    if missing:
        print(f"skipped {f.__name__}: no {', '.join(missing)}")
        continue
    f()
    print(f"passed {f.__name__}", flush=True)
