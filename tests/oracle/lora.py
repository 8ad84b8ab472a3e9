"""Adapters of tiny checkpoints by the peft package: tests/data/peft/CASE/{adapter_config.json,adapter_model.safetensors}
as it saves them, and golden.safetensors with the inputs of one padded batch, `logits`, `loss`, `grad.NAME` for each
tensor NAME of the adapter, and `losses` before each of ten AdamW steps on that batch (lr 1e-3, no weight decay).
`checkpoint` in the metadata names the folder of the base. `lora.py CASE...` makes these alone.
"""

import json
import shutil
import sys

import peft
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import safe_open
from safetensors.torch import load_file

import seeded
from common import DATA, generator, load, padded_batch, save

OUT = DATA / "peft"
# Adapters change what the base says, and do not drown it.
SMALL = [(r"lora_(embedding_)?B(\.weight)?$|trainable_tokens_delta", 0.0, 0.35)]

CASES = {
    "llama_qv": ("llama/base", dict(r=4, lora_alpha=8, task_type="CAUSAL_LM")),
    "llama_all_linear": (
        "llama/gqa_odd",
        dict(r=3, use_rslora=True, target_modules="all-linear", rank_pattern={"layers.1.self_attn.q_proj": 2},
             alpha_pattern={"down_proj": 3}, task_type="CAUSAL_LM"),
    ),
    "llama_regex": ("llama/biases", dict(r=2, target_modules=r".*\.1\.mlp\.(up|down)_proj", task_type="CAUSAL_LM")),
    "llama_layers": (
        "llama/mqa",
        dict(r=2, target_modules=["q_proj", "up_proj"], exclude_modules=["0.q_proj"], layers_to_transform=[1],
             layers_pattern="layers"),
    ),
    "llama_tied_head": ("llama/tied", dict(r=2, target_modules=["lm_head", "o_proj"], task_type="CAUSAL_LM")),
    "llama_sequence": ("llama/sequence_classification", dict(r=2, task_type="SEQ_CLS")),
    "gpt2_bias": ("gpt2/base", dict(r=2, bias="lora_only", modules_to_save=["wpe"], task_type="CAUSAL_LM")),
    "gpt2_all_biases": (
        "gpt2/gelu_untied",
        dict(r=2, bias="all", target_modules=["c_fc", "attn.c_proj"], init_lora_weights="gaussian"),
    ),
    "bert_sequence": ("bert/sequence_classification", dict(r=2, task_type="SEQ_CLS")),
    # Every linear layer, the classifier among them: peft leaves it out for SEQ_CLS only.
    "bert_all_linear": ("bert/sequence_classification", dict(r=2, target_modules="all-linear", labels="classes")),
    "bert_masked": ("bert/masked_lm", dict(r=2, target_modules="all-linear")),
    # Embeddings, alone and beside a head that is tied to them.
    "llama_embedding": ("llama/mqa", dict(r=2, target_modules=["embed_tokens", "q_proj"], task_type="CAUSAL_LM")),
    "llama_tied_embedding": (
        "llama/tied",
        dict(r=2, lora_alpha=3, use_rslora=True, target_modules=["embed_tokens", "lm_head"], task_type="CAUSAL_LM"),
    ),
    "gpt2_embedding": ("gpt2/base", dict(r=2, target_modules=["wte", "wpe", "c_attn"], task_type="CAUSAL_LM")),
    "bert_embedding": (
        "bert/sequence_classification",
        dict(r=2, target_modules=["word_embeddings", "query"], task_type="SEQ_CLS"),
    ),
    # DoRA
    "llama_dora": (
        "llama/gqa_odd",
        dict(r=3, use_dora=True, use_rslora=True, target_modules="all-linear", task_type="CAUSAL_LM"),
    ),
    "llama_dora_biases": ("llama/biases", dict(r=2, use_dora=True, bias="lora_only", task_type="CAUSAL_LM")),
    "gpt2_dora": ("gpt2/base", dict(r=2, use_dora=True, target_modules=["wte", "c_attn"], task_type="CAUSAL_LM")),
    # Modules trained whole, where the head is tied and where it is not; names that several modules end with.
    "llama_saved_head": ("llama/tied", dict(r=2, modules_to_save=["lm_head"], task_type="CAUSAL_LM")),
    "llama_saved_embedding": ("llama/tied", dict(r=2, modules_to_save=["embed_tokens"], task_type="CAUSAL_LM")),
    "llama_saved_both": (
        "llama/mqa",
        dict(r=2, modules_to_save=["lm_head", "embed_tokens", "norm"], task_type="CAUSAL_LM"),
    ),
    # Factors that begin as part of the base weight, from which it is taken.
    "llama_pissa": ("llama/mqa", dict(r=2, init_lora_weights="pissa", task_type="CAUSAL_LM")),
    "llama_olora": ("llama/mqa", dict(r=2, init_lora_weights="olora", task_type="CAUSAL_LM")),
    # Biases that are tied, and biases in modules that are trained whole.
    "bert_tied_biases": ("bert/masked_lm", dict(r=1, bias="all", target_modules=["query", "decoder"])),
    "bert_decoder_bias": ("bert/masked_lm", dict(r=1, bias="lora_only", target_modules=["query", "decoder"])),
    "gpt2_saved_biases": ("gpt2/base", dict(r=1, bias="all", modules_to_save=["ln_f", "1.ln_1", "0.mlp"])),
    "bert_classifier_biases": ("bert/sequence_classification", dict(r=1, bias="all", task_type="SEQ_CLS")),
    # Modules that are trained whole and have a tied part: what is tied within one stays so.
    "bert_saved_cls": ("bert/masked_lm", dict(r=1, bias="all", modules_to_save=["cls"])),
    "bert_saved_decoder": ("bert/masked_lm", dict(r=1, modules_to_save=["decoder"])),
    "bert_saved_words": ("bert/masked_lm", dict(r=1, bias="all", modules_to_save=["word_embeddings"])),
    "llama_lora_bias": ("llama/biases", dict(r=2, lora_bias=True, init_lora_weights=False, task_type="CAUSAL_LM")),
    # Tokens whose rows alone are trained: with the tied head, without it, apart from it, of a head alone.
    "llama_tokens": ("llama/tied", dict(r=1, trainable_token_indices=[40, 5, 17], task_type="CAUSAL_LM")),
    "llama_tokens_apart": (
        "llama/tied",
        dict(r=1, trainable_token_indices={"embed_tokens": [5, 40], "lm_head": [7]}, task_type="CAUSAL_LM"),
    ),
    "gpt2_tokens": ("gpt2/gelu_untied", dict(r=1, trainable_token_indices={"lm_head": [3, 50]})),
    "bert_tokens": ("bert/masked_lm", dict(r=1, trainable_token_indices={"word_embeddings": [3, 50, 0]})),
    "llama_ensured_tie": (
        "llama/tied",
        dict(r=1, modules_to_save=["lm_head"], ensure_weight_tying=True, task_type="CAUSAL_LM"),
    ),
    # A vocabulary that was resized: the file has the embeddings and the head of the new size.
    "llama_resized": ("llama/tied", dict(r=1, resized=3, task_type="CAUSAL_LM")),
    "gpt2_resized": ("gpt2/gelu_untied", dict(r=1, resized=-2, modules_to_save=["lm_head"])),
    "bert_resized": ("bert/masked_lm", dict(r=1, resized=5, target_modules=["query", "decoder"])),
}


def load_resized(folder, more_tokens):
    """The model, with so many more tokens in its vocabulary."""
    model = load(DATA / "models" / folder)
    torch.manual_seed(0)  # of the rows, and of the A factors of what comes next
    if more_tokens:
        model.resize_token_embeddings(model.config.vocab_size + more_tokens)
    return model.eval()


def main():
    for case in sys.argv[1:] or CASES:
        folder, options = CASES[case]
        rng = generator(case)
        options = dict(options)
        classes = options.pop("labels", None) == "classes" or options.get("task_type") == "SEQ_CLS"
        resized = options.pop("resized", 0)
        model = get_peft_model(load_resized(folder, resized), LoraConfig(**options))
        for _, parameter in model.named_parameters():
            if parameter.requires_grad:  # what is tied shows in the file by values that nothing else has
                parameter.data += 0.2 * torch.randn(parameter.shape, generator=rng)
        target = OUT / case
        shutil.rmtree(target, ignore_errors=True)
        model.save_pretrained(target)
        (target / "README.md").unlink()
        base = DATA / "models" / folder
        seed = json.loads((base / "weights.json").read_text())["seed"]
        stored = load_file(seeded.checkpoint(base) / "model.safetensors")  # what is no adapter's stays the base's
        seeded.replace_weights(target, seed, stored, special=SMALL)
        # Sets are written in any order.
        config = json.loads((target / "adapter_config.json").read_text())
        if isinstance(config["target_modules"], list):
            config["target_modules"].sort()
        config["base_model_name_or_path"] = None
        (target / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True))

        adapter = seeded.checkpoint(target)
        model = PeftModel.from_pretrained(load_resized(folder, resized), adapter, is_trainable=True).eval()
        batch = padded_batch(rng, model.config.vocab_size, [9, 6, 4], "right")
        if classes:
            labels = torch.randint(0, model.config.num_labels, (batch["input_ids"].shape[0],), generator=rng)
        else:
            labels = batch["input_ids"].clone()
            labels[batch["attention_mask"] == 0] = -100
        result = model(**batch, labels=labels)
        result.loss.backward()
        tensors = {**batch, "labels": labels, "logits": result.logits.detach(), "loss": result.loss.detach().reshape(1)}
        trained = {}
        for name, parameter in model.named_parameters(remove_duplicate=False):
            if parameter.grad is not None:
                name = name.replace(".default", "").replace(".modules_to_save", "")
                name = name.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")
                trained[name] = parameter
        compared = set()
        with safe_open(adapter / "adapter_model.safetensors", "pt") as stored:
            names = set(stored.keys())
        for name, parameter in trained.items():
            if name in names and parameter not in compared:  # of a tied pair the first
                compared.add(parameter)
                tensors["grad." + name] = parameter.grad.contiguous()
        assert len(compared) == len(set(trained.values()))
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3, weight_decay=0)
        losses = []
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(**batch, labels=labels).loss
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        tensors["losses"] = torch.stack(losses)
        save(target / "golden.safetensors", tensors, checkpoint=folder, peft=peft.__version__)


if __name__ == "__main__":
    main()
