"""Goldens of the chat templates: renders with Transformers' own environment.

    python chat_templates.py OUT_DIR        writes snippets.json and renderings.json
    python chat_templates.py --check FILE   (for local fuzzing) reads JSON lines {"t", "v"}, writes {"text"} or {"error"}

snippets.json: hundreds of small templates over fixed variables. renderings.json: the templates in OUT_DIR/*.jinja over
generated conversations.
"""
import datetime
import json
import sys
from pathlib import Path

import jinja2
import transformers
from transformers.utils import chat_template_utils as utils

import chat_template_snippets
import chat_template_conversations


class FixedTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(*chat_template_conversations.NOW)


utils.datetime = FixedTime


def render(source, variables):
    """{"text", "spans"} or {"error", "raised"}: what apply_chat_template's environment makes of a template."""
    try:
        template = utils._compile_jinja_template(source)
        tracked, spans = [], []
        with template.environment.activate_tracker(tracked, spans):
            for block in template.generate(**variables):
                tracked.append(block)
        out = {"text": "".join(tracked)}
        if spans:
            out["spans"] = spans
        return out
    except jinja2.exceptions.TemplateError as e:
        raised = type(e) is jinja2.exceptions.TemplateError  # by raise_exception
        return {"error": str(e), **({"raised": True} if raised else {})}
    except Exception as e:  # Python's own errors pass through jinja2
        return {"error": f"{type(e).__name__}: {e}"}


def write(path, document):
    path.write_text(json.dumps(document, ensure_ascii=False, indent=0, separators=(",", ":")) + "\n", encoding="utf-8")


def main():
    if sys.argv[1] == "--check":
        for line in open(sys.argv[2], encoding="utf-8"):
            case = json.loads(line)
            print(json.dumps(render(case["t"], case["v"])))
        return
    out = Path(sys.argv[1])
    versions = {"jinja2": jinja2.__version__, "transformers": transformers.__version__}
    variables = chat_template_snippets.VARIABLES
    cases = [{"t": t, **render(t, json.loads(json.dumps(variables)))} for t in chat_template_snippets.snippets()]
    for case in cases:
        if "raised" not in case:
            case.pop("error", None)  # the words of other errors are our own; neither "text" nor "error": it fails
        assert " at 0x" not in case.get("text", ""), case
    write(out / "snippets.json", {"versions": versions, "variables": variables, "cases": cases})

    conversations = chat_template_conversations.conversations()
    rows = []
    for path in sorted(out.glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        extra = chat_template_conversations.tokens(path.stem)
        for i, conversation in enumerate(conversations):
            result = render(source, {**extra, **conversation})
            if "raised" not in result:
                result.pop("error", None)
            rows.append({"template": path.stem, "conversation": i, **result})
    # equal texts are stored once
    texts, index = [], {}
    for row in rows:
        if "text" in row:
            row["text"] = index.setdefault(row["text"], len(index))
    texts = list(index)
    write(
        out / "renderings.json",
        {
            "versions": versions,
            "tokens": {p.stem: chat_template_conversations.tokens(p.stem) for p in sorted(out.glob("*.jinja"))},
            "conversations": conversations,
            "texts": texts,
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
