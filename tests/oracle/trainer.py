"""Goldens of tests/train: arguments, collators and the Trainer's losses, from Transformers.

    python tests/oracle/trainer.py [part ...]      parts: arguments collators callbacks losses unlabelled metrics
"""
import dataclasses, json, os, sys

import numpy, torch, transformers
from transformers import HfArgumentParser, TrainingArguments

import seeded

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "train")
VERSIONS = {"transformers": transformers.__version__, "torch": torch.__version__}


def write(name, value):
    os.makedirs(HERE, exist_ok=True)
    with open(os.path.join(HERE, name), "w") as f:
        json.dump({"versions": VERSIONS, **value}, f, indent=None, separators=(",", ":"))
        f.write("\n")


def plain(value):
    return value.value if hasattr(value, "value") else value


def arguments():
    defaults = {}
    for f in dataclasses.fields(TrainingArguments):
        d = f.default if f.default is not dataclasses.MISSING else f.default_factory()
        defaults[f.name] = plain(d)
    # None, an empty string and one string are lists here, and the folder that None stands for has its name.
    defaults |= {"output_dir": "trainer_output", "report_to": ["none"], "debug": [], "optim_target_modules": [], "label_names": []}

    parser = HfArgumentParser(TrainingArguments)
    lines = [
        ["--per_device_train_batch_size", "4", "--learning_rate=3e-4", "--output_dir", "x"],
        ["--bf16", "--max-steps", "10"],
        ["--bf16", "true", "--do_train", "no"],
        ["--no_dataloader_pin_memory", "--no-remove-unused-columns"],
        ["--label_names", "labels", "other", "--seed", "7"],
        ["--eval_strategy", "epoch", "--save_strategy", "best"],
        ["--max_steps", "-1", "--seed", "1", "--seed", "2"],
        ["--lr_scheduler_type", "cosine", "--logging_steps", "0.25"],
        ["--max_steps", "many"],
        ["--bf16", "perhaps"],
        ["--eval_strategy", "often"],
        ["--unknown_thing", "1"],
        ["--learning_rate"],
        ["--no_bf16"],
    ]
    cases = []
    for words in lines:
        try:
            # The parser's own namespace, before the dataclass checks this machine's devices.
            names, rest = parser.parse_known_args(words)
            if rest:
                raise ValueError(rest)
        except (SystemExit, ValueError):
            cases.append({"words": words, "fails": True})
            continue
        fields = {k: plain(v) for k, v in vars(names).items() if plain(v) != plain(parser.get_default(k))}
        fields.pop("include_num_input_tokens_seen", None)  # argparse makes a bool of its default, "no"
        cases.append({"words": words, "fields": fields})
    write("arguments.json", {"defaults": defaults, "command_lines": cases})


def tokenizer(side):
    from tokenizers import Tokenizer, models
    vocabulary = {t: i for i, t in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(45)])}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(vocabulary, "[UNK]")), pad_token="[PAD]", unk_token="[UNK]",
        cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]", padding_side=side,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"])


def collators():
    rng = numpy.random.default_rng(0)
    ids = [[2, *map(int, rng.integers(5, 50, n)), 3] for n in (4, 7, 1)]
    plain_rows = [{"input_ids": r} for r in ids]
    rows = {
        "plain": plain_rows,
        "pair": [{"input_ids": r, "token_type_ids": [0] * 2 + [1] * (len(r) - 2), "attention_mask": [1] * len(r), "label": k} for k, r in enumerate(ids)],
        "regression": [{"input_ids": r, "label": 0.5 * k} for k, r in enumerate(ids)],
        "tokens": [{"input_ids": r, "labels": [-100] + [k] * (len(r) - 2) + [-100]} for k, r in enumerate(ids)],
        "seq2seq": [{"input_ids": r, "labels": list(range(10, 12 + 2 * k))} for k, r in enumerate(ids)],
        "choices": [{"input_ids": [ids[k], ids[0], ids[1][:3]], "label": k} for k in range(2)],
        # Words of one, two and three tokens; one that touches the special token before it.
        "words": [{"input_ids": [2, 7, 8, 9, 10, 11, 12, 3], "offset_mapping": o} for o in (
            [[0, 0], [0, 2], [2, 4], [5, 6], [7, 8], [8, 9], [9, 12], [0, 0]], [[0, 0], [1, 3], [4, 5], [5, 6], [7, 8], [9, 10], [11, 12], [0, 0]])],
        "equal": [{"input_ids": ids[0], "label_ids": [1, 2, k], "weight": 0.5} for k in range(2)],
    }
    T = transformers
    cases = []
    for side in ("right", "left"):
        t = tokenizer(side)
        for name, make, data in [
            ("DataCollatorWithPadding", lambda **k: T.DataCollatorWithPadding(t, **k), "pair"),
            ("DataCollatorWithPadding", lambda **k: T.DataCollatorWithPadding(t, **k), "regression"),
            ("DataCollatorForTokenClassification", lambda **k: T.DataCollatorForTokenClassification(t, **k), "tokens"),
            ("DataCollatorForSeq2Seq", lambda **k: T.DataCollatorForSeq2Seq(t, **k), "seq2seq"),
            ("DataCollatorForLanguageModeling", lambda **k: T.DataCollatorForLanguageModeling(t, mlm=False, **k), "plain"),
            ("DataCollatorForMultipleChoice", lambda **k: T.DataCollatorForMultipleChoice(t, **k), "choices"),
        ]:
            for options in ({}, {"pad_to_multiple_of": 4}):
                batch = make(**options)([dict(r) for r in rows[data]])
                cases.append({"collator": name, "side": side, "rows": data, "options": options, "batch": tensors(batch)})
    cases.append({"collator": "DefaultDataCollator", "side": "right", "rows": "equal", "options": {}, "batch": tensors(T.DefaultDataCollator()(rows["equal"]))})
    for data in ("plain", "tokens"):
        batch = T.DataCollatorWithFlattening(return_seq_idx=True)([dict(r) for r in rows[data]])
        cases.append({"collator": "DataCollatorWithFlattening", "side": "right", "rows": data, "options": {}, "batch": tensors(batch)})
    # With probability 1 every word is masked, which nothing random is left in.
    words = T.DataCollatorForLanguageModeling(tokenizer("right"), whole_word_mask=True, mlm_probability=1.0, mask_replace_prob=1.0, random_replace_prob=0.0)
    batch = words([{k: list(v) for k, v in r.items()} for r in rows["words"]])
    cases.append({"collator": "whole_word_mask", "side": "right", "rows": "words", "options": {}, "batch": tensors(batch)})
    write("collators.json", {"rows": rows, "cases": cases})


def callbacks():
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter
    from transformers.trainer_callback import EarlyStoppingCallback, TrainerControl, TrainerState

    stopping = EarlyStoppingCallback(2, 0.5)
    stopping.early_stopping_patience_counter = 1
    state = TrainerState(epoch=1.5, global_step=12, max_steps=24, logging_steps=4, eval_steps=6, save_steps=12, train_batch_size=8,
        num_train_epochs=3, num_input_tokens_seen=77, total_flos=1.5e9, best_metric=0.25, best_global_step=6,
        best_model_checkpoint="out/checkpoint-6", stateful_callbacks=[stopping, TrainerControl(should_log=True)],
        log_history=[{"loss": 2.5, "grad_norm": 1.25, "learning_rate": 5e-05, "epoch": 0.5, "step": 4}, {"eval_loss": 0.25, "epoch": 0.75, "step": 6}])
    import io, tempfile
    with tempfile.NamedTemporaryFile("r") as f:
        state.save_to_json(f.name)
        text = f.read()
    value = summary_pb2.Summary.Value
    event = event_pb2.Event(wall_time=1.5, step=300, summary=summary_pb2.Summary(
        value=[value(tag="train/loss", simple_value=2.5), value(tag="eval/loss", simple_value=-0.125)]))
    out = io.BytesIO()
    RecordWriter(out).write(event.SerializeToString())
    write("callbacks.json", {"state": text, "record": out.getvalue().hex()})


def losses():
    """Ten steps of transformers.Trainer on tiny models of tests/data/models, rows in order."""
    import tempfile
    models = os.path.join(HERE, "..", "models")
    vocabulary = transformers.AutoConfig.from_pretrained(os.path.join(models, "llama/base")).vocab_size
    rng = numpy.random.default_rng(1)
    rows = [{"input_ids": list(map(int, rng.integers(5, vocabulary, n)))} for n in rng.integers(3, 17, 30)]
    common = dict(learning_rate=2e-3, weight_decay=0.1, logging_steps=1, report_to=[], train_sampling_strategy="sequential", use_cpu=True,
        save_strategy="no", disable_tqdm=True, eval_strategy="steps", eval_steps=5, per_device_eval_batch_size=4, optim="adamw_torch")
    cases = {
        "llama/tied": dict(per_device_train_batch_size=4, max_steps=10, warmup_steps=2),
        "llama/gqa_odd": dict(per_device_train_batch_size=2, gradient_accumulation_steps=3, max_steps=10, lr_scheduler_type="cosine", max_grad_norm=0.5),
        "llama/base": dict(per_device_train_batch_size=8, num_train_epochs=2.5, label_smoothing_factor=0.1, dataloader_drop_last=True),
        "llama/tied, restarts": dict(per_device_train_batch_size=4, max_steps=10, warmup_steps=0.15, lr_scheduler_type="cosine_with_restarts",
            lr_scheduler_kwargs={"num_cycles": 2}),
        "llama/tied, polynomial": dict(per_device_train_batch_size=4, max_steps=10, lr_scheduler_type="polynomial", lr_scheduler_kwargs={"power": 2.0},
            max_grad_norm=0.05),
        "llama/tied, inverse_sqrt": dict(per_device_train_batch_size=4, max_steps=10, lr_scheduler_type="inverse_sqrt", warmup_steps=2,
            gradient_accumulation_steps=2, max_grad_norm=0.0),
        "llama/tied, wsd": dict(per_device_train_batch_size=4, max_steps=10, lr_scheduler_type="warmup_stable_decay", warmup_steps=2,
            lr_scheduler_kwargs={"num_decay_steps": 4, "min_lr_ratio": 0.1}, adam_beta2=0.95, adam_epsilon=1e-6),
        # Epochs of 8 batches in steps of 3, 3 and 2: what is left of an epoch is a step of its own.
        "llama/gqa_odd, epochs": dict(per_device_train_batch_size=4, gradient_accumulation_steps=3, num_train_epochs=3, lr_scheduler_type="constant_with_warmup",
            warmup_steps=3, weight_decay=0.3),
        "llama/base, plateau": dict(per_device_train_batch_size=4, max_steps=10, lr_scheduler_type="reduce_lr_on_plateau", learning_rate=0.02, eval_steps=1,
            lr_scheduler_kwargs={"patience": 0, "factor": 0.5}),
        # Without accumulation: there Transformers sums the batches' mean losses where it should take their mean.
        "bert/sequence_classification": dict(per_device_train_batch_size=4, max_steps=10),
    }
    torch.set_num_threads(1)
    t = tokenizer("right")
    out = {}
    for name, arguments in cases.items():
        with tempfile.TemporaryDirectory() as d:
            classifies = name.startswith("bert")
            auto = transformers.AutoModelForSequenceClassification if classifies else transformers.AutoModelForCausalLM
            model = auto.from_pretrained(seeded.checkpoint(os.path.join(models, name.split(",")[0])), dtype=torch.float32, attn_implementation="eager")
            for m in model.modules():  # the order of random numbers is no part of the comparison
                if isinstance(m, torch.nn.Dropout):
                    m.p = 0.0
            collator = transformers.DataCollatorWithPadding(t) if classifies else transformers.DataCollatorForLanguageModeling(t, mlm=False)
            data = [{**r, "label": sum(r["input_ids"]) % model.config.num_labels} for r in rows] if classifies else rows
            trainer = transformers.Trainer(model=model, args=TrainingArguments(output_dir=d, **(common | arguments)), train_dataset=data,
                eval_dataset=data[:10], data_collator=collator)
            trainer.remove_callback(transformers.PrinterCallback)
            trainer.train()
        keep = ("loss", "grad_norm", "learning_rate", "epoch", "step", "eval_loss", "train_loss")
        out[name] = {"arguments": common | arguments, "log_history": [{k: v for k, v in e.items() if k in keep} for e in trainer.state.log_history]}
    write("losses.json", {"rows": rows, "cases": out})


def unlabelled():
    """transformers.Trainer over batches and datasets without a label that counts. NaN is null."""
    import math, tempfile
    models = os.path.join(HERE, "..", "models")
    rng = numpy.random.default_rng(2)
    # Rows in order: two that count, two that do not, one of each, ...; labels at the first place alone never count.
    rows = []
    for kind in "nnuuunnufnuuuunn":
        ids = list(map(int, rng.integers(5, 90, int(rng.integers(3, 9)))))
        rows.append({"input_ids": ids, "labels": {"n": ids, "u": [-100] * len(ids), "f": ids[:1] + [-100] * (len(ids) - 1)}[kind]})
    none = [{"input_ids": r["input_ids"], "labels": [-100] * len(r["input_ids"])} for r in rows[:3]]
    classes = [{"input_ids": r["input_ids"], "label": -100 if k in (2, 3, 5, 8, 9) else k % 3} for k, r in enumerate(rows)]
    common = dict(learning_rate=2e-3, weight_decay=0.1, logging_steps=1, report_to=[], train_sampling_strategy="sequential", use_cpu=True, save_strategy="no",
        disable_tqdm=True, eval_strategy="epoch", per_device_train_batch_size=2, per_device_eval_batch_size=2, num_train_epochs=2, optim="adamw_torch")
    cases = {
        "llama/tied, each step": {},
        "llama/tied, windows": dict(logging_steps=3, max_steps=11),
        "llama/tied, accumulated": dict(gradient_accumulation_steps=3, logging_steps=2),
        "llama/tied, smoothed": dict(label_smoothing_factor=0.1),
        "llama/tied, smoothed and accumulated": dict(label_smoothing_factor=0.1, gradient_accumulation_steps=2, per_device_train_batch_size=1),
        "llama/tied, a partial batch": dict(per_device_train_batch_size=3, per_device_eval_batch_size=3, max_grad_norm=0.0),
        "llama/tied, amsgrad": dict(per_device_train_batch_size=3, adam_beta2=0.5, num_train_epochs=1),
        "bert/sequence_classification": {},
    }
    torch.set_num_threads(1)
    t = tokenizer("right")
    out = {}
    for name, arguments in cases.items():
        with tempfile.TemporaryDirectory() as d:
            classifies = name.startswith("bert")
            auto = transformers.AutoModelForSequenceClassification if classifies else transformers.AutoModelForCausalLM
            model = auto.from_pretrained(seeded.checkpoint(os.path.join(models, name.split(",")[0])), dtype=torch.float32, attn_implementation="eager")
            for m in model.modules():
                if isinstance(m, torch.nn.Dropout):
                    m.p = 0.0
            collator = transformers.DataCollatorWithPadding(t) if classifies else transformers.DataCollatorForTokenClassification(t)
            data = classes if classifies else rows
            made = TrainingArguments(output_dir=d, **(common | arguments))
            optimizers = (None, None)
            if name.endswith("amsgrad"):  # which Transformers' Trainer takes as an optimizer alone
                optimizers = (torch.optim.AdamW(model.parameters(), lr=made.learning_rate, betas=(0.9, 0.5), weight_decay=0.0, amsgrad=True), None)
            trainer = transformers.Trainer(model=model, args=made, train_dataset=data, eval_dataset=data[1:], data_collator=collator, optimizers=optimizers)
            trainer.remove_callback(transformers.PrinterCallback)
            trainer.train()
            log = list(trainer.state.log_history)
            if not classifies:
                log.append(trainer.evaluate(none))  # nothing that counts
        keep = ("loss", "grad_norm", "learning_rate", "epoch", "step", "eval_loss", "train_loss")
        finite = lambda v: None if isinstance(v, float) and not math.isfinite(v) else v
        extra = dict(optim_args="amsgrad=True", weight_decay=0.0) if name.endswith("amsgrad") else {}
        out[name] = {"arguments": common | arguments | extra, "log_history": [{k: finite(v) for k, v in e.items() if k in keep} for e in log]}
    write("unlabelled.json", {"rows": rows, "none": none, "classes": classes, "cases": out})


def tensors(batch):
    return {k: {"shape": list(v.shape), "real": bool(v.is_floating_point()), "values": v.flatten().tolist()} for k, v in batch.items()}


def metrics():
    import sklearn
    from sklearn.metrics import accuracy_score, f1_score

    random = numpy.random.default_rng(5)
    cases = []
    # Of several classes: some are never true, or never predicted; of two; of one alone.
    for true, predicted, n in [(range(4), range(5), 37), (range(2, 5), range(3), 20), (range(2), range(2), 23), ([0], [0], 5), ([1], [0, 1], 9)]:
        t = random.choice(list(true), n)
        p = numpy.where(random.random(n) < 0.5, t, random.choice(list(predicted), n))
        case = {"true": t.tolist(), "predicted": p.tolist(), "accuracy": accuracy_score(t, p)}
        averages = ["micro", "macro", "weighted"] + (["binary"] if max(t.max(), p.max()) < 2 else [])
        case["f1"] = {a: float(f1_score(t, p, average=a, zero_division=0)) for a in averages}
        if "binary" in case["f1"]:
            case["f1_of_0"] = float(f1_score(t, p, average="binary", pos_label=0, zero_division=0))
        cases.append(case)
    write("metrics.json", {"sklearn": sklearn.__version__, "cases": cases})


if __name__ == "__main__":
    for part in sys.argv[1:] or ["arguments", "collators", "callbacks", "losses", "unlabelled", "metrics"]:
        globals()[part]()
