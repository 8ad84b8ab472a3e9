#!/usr/bin/env python3
"""Peak memory of a training step (forward, backward, AdamW) of a Llama, hft's and PyTorch's side by side.

    python benchmarks/train_memory.py [--hft build/hft] [--batch 8] [--seq 256] [--threads 2] [--dtype f32 bf16] [MODEL]

MODEL is a folder with a LlamaForCausalLM; without one a model of 6 million weights is made (needs torch and transformers,
as the comparison does). Printed are the peaks of each process (VmHWM), PyTorch's also without what importing it takes, and
the processor time of a step, which other work on the machine disturbs less than the time on the clock.
"""
import argparse, json, os, resource, subprocess, sys, tempfile

CONFIG = dict(vocab_size=4096, hidden_size=256, intermediate_size=688, num_hidden_layers=6, num_attention_heads=8,
              num_key_value_heads=4, tie_word_embeddings=True)


def peak_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024 / 1e6


def torch_steps(a):
    """In a process of its own: its peak is that of these steps."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM  # noqa: F401: the lazy import happens here

    torch.set_num_threads(a.threads)
    torch.ones(8, 8) @ torch.ones(8, 8)
    imported = peak_mb()
    model = LlamaForCausalLM.from_pretrained(a.model, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    ids = torch.randint(0, model.config.vocab_size, (a.batch, a.seq))

    def step():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.dtype[0] == "bf16"):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(a.steps):
        step()
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"rss_mb": peak_mb(), "import_mb": imported,
                      "cpu_s": (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / a.steps}))


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(a):
    same = ["--batch", str(a.batch), "--seq", str(a.seq), "--threads", str(a.threads)]
    print(f"{'peak MB of a step':24s} {'hft':>8s} {'PyTorch':>9s} {'ratio':>6s} {'PyTorch - import':>17s} {'ratio':>6s}"
          f" {'cpu s: hft':>11s} {'PyTorch':>9s} {'ratio':>6s}")
    for dtype in a.dtype:
        mine = run([a.hft, "bench", "train", a.model, *same, "--dtype", dtype, "--json"])
        theirs = run([sys.executable, os.path.abspath(__file__), a.model, *same, "--dtype", dtype, "--steps", str(a.steps), "--child"])
        own = theirs["rss_mb"] - theirs["import_mb"]
        cpu = f"{mine['cpu_s']:11.3f} {theirs['cpu_s']:9.3f} {theirs['cpu_s'] / mine['cpu_s']:6.2f}" if "cpu_s" in mine else ""
        print(f"{a.batch} x {a.seq} {dtype:14s} {mine['rss_mb']:8.0f} {theirs['rss_mb']:9.0f} {mine['rss_mb'] / theirs['rss_mb']:6.2f}"
              f" {own:17.0f} {mine['rss_mb'] / own:6.2f} {cpu}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", nargs="?")
    p.add_argument("--hft", default="build/hft")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--seq", type=int, default=256)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--dtype", nargs="+", default=["f32", "bf16"])
    p.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    a = p.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(a.threads)
    if a.child:
        torch_steps(a)
    elif a.model:
        compare(a)
    else:
        with tempfile.TemporaryDirectory() as folder:
            make = f"from transformers import LlamaConfig, LlamaForCausalLM; LlamaForCausalLM(LlamaConfig(**{CONFIG!r})).save_pretrained({folder!r})"
            subprocess.run([sys.executable, "-c", make], check=True, stderr=subprocess.DEVNULL)
            a.model = folder
            compare(a)


if __name__ == "__main__":
    main()
