"""Golden of apply_chat_template: which of a folder's templates is taken, and the variables that it sees.

    python apply_chat_template.py OUT_DIR        writes apply.json

Each case is a folder (the chat_template of tokenizer_config.json, and template files) with calls; a call that raises
has no text.
"""
import json
import sys
import tempfile
from pathlib import Path

from tokenizers import Tokenizer, models
from transformers import AutoTokenizer

SHOW = "{{ tools is defined }}{{ documents is none }}{{ add_generation_prompt }}{{ bos_token }}{{ eos_token is defined }}"
MESSAGES = [{"role": "user", "content": "hi", "name": None}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
DOCUMENTS = [{"title": "t", "text": "x"}]

CASES = [
    {"chat_template": "one {{ messages|tojson }}" + SHOW},
    {"chat_template": [{"name": "default", "template": "default"}, {"name": "tool_use", "template": "tools {{ tools|length }}"}]},
    {"chat_template": [{"name": "rag", "template": "rag {{ documents|length }}"}, {"name": "default", "template": "default"}]},
    {"chat_template": [{"name": "rag", "template": "rag"}, {"name": "tool_use", "template": "tools"}]},
    {"files": {"chat_template.jinja": "file"}},
    {"files": {"chat_template.jinja": "file", "additional_chat_templates/tool_use.jinja": "file of tools"}},
    {"files": {"additional_chat_templates/tool_use.jinja": "file of tools"}, "chat_template": "config"},
    {"files": {"chat_template.jinja": "file"}, "chat_template": [{"name": "tool_use", "template": "config"}]},
    {"chat_template": "{% for t in tools %}{{ t }}{% endfor %}"},
    {"chat_template": "{% for d in documents %}{{ d.title }}{% endfor %}"},
    {"chat_template": "{% if tools is defined and not tools %}none{% endif %}{{ x }}{{ eos_token }}"},
    {"chat_template": "{{ messages|tojson }}"},
    {},
]
CALLS = [
    {},
    {"tools": TOOLS},
    {"tools": []},
    {"documents": DOCUMENTS, "add_generation_prompt": True},
    {"chat_template": "rag", "documents": DOCUMENTS},
    {"chat_template": "tool_use"},
    {"chat_template": "{{ messages[0].content }}!"},
    {"x": 5, "bos_token": "<other>"},
    {"messages": []},
    {"messages": [{"role": "assistant", "reasoning": "r", "content": None}, {"role": "user", "thinking": "t"}]},
    {"messages": [{"role": "assistant", "thinking": "t", "reasoning_content": "c"}, {"role": "user", "reasoning": None}]},
    {"messages": ["text"]},
    {"tools": ["text"]},
    {"documents": ["text"]},
]


def main():
    out = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            Tokenizer(models.WordLevel({"<s>": 0, "<unk>": 1}, "<unk>")).save(str(root / "tokenizer.json"))
            config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "unk_token": "<unk>"}
            if "chat_template" in case:
                config["chat_template"] = case["chat_template"]
            (root / "tokenizer_config.json").write_text(json.dumps(config))
            for name, text in case.get("files", {}).items():
                (root / name).parent.mkdir(exist_ok=True)
                (root / name).write_text(text)
            tokenizer = AutoTokenizer.from_pretrained(folder)
            results = []
            for call in CALLS:
                arguments = dict(call)
                messages = arguments.pop("messages", MESSAGES)
                try:
                    text = tokenizer.apply_chat_template(json.loads(json.dumps(messages)), tokenize=False, **arguments)
                    results.append({"call": {"messages": messages, **arguments}, "text": text})
                except Exception:
                    results.append({"call": {"messages": messages, **arguments}})
            out.append({**case, "calls": results})
    path = Path(sys.argv[1]) / "apply.json"
    path.write_text(json.dumps(out, ensure_ascii=False, indent=0, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
