"""Conversations that chat_templates.py renders with every published template, and the special tokens of the models."""

NOW = (2025, 3, 4, 5, 6, 7)  # what strftime_now sees

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Gets the current weather, \"feels like\" included.",
    "parameters": {"type": "object", "properties": {
        "location": {"type": "string", "description": "City & country, e.g. Zürich"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "description": "The unit"},
        "days": {"type": ["integer", "string"], "description": "How many"}}, "required": ["location"]},
    "return": {"type": "object", "description": "The weather"}}}
SEARCH = {"type": "function", "function": {
    "name": "search", "description": "Looks <things> up.", "parameters": {"type": "object", "properties": {
        "query": {"type": "string", "description": " q "}, "limit": {"type": "number", "description": "Most"},
        "filters": {"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}}, "description": "f"}}}}}


def call(name, arguments, id="abcdef123"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def conversations():
    short = [user("Hi there!")]
    turns = [user("What is 2+2?"), assistant("4"), user("And \"3+3\"?"), assistant("  It's 6.\n"), user("ok\n")]
    hard = [system("Sei höflich — 你好 😀"), user("  <|im_start|>\t\\n {{ x }} {% if %} 'q' \"r\"  "), assistant("é\u200d👩‍👩‍👧 \u2028end</think>"), user("")]
    nested = {"location": "Zürich", "opts": {"a": [1, 2.5, None, True], "s": "it's \"x\" <b>&\n"}, "n": 1e-7}
    tools = [system("Use tools."), user("Weather in Zürich?"),
             assistant(None, tool_calls=[call("get_weather", nested)]),
             {"role": "tool", "name": "get_weather", "content": "{\"t\": 21.5}", "tool_call_id": "abcdef123"},
             assistant("21.5 °C"), user("thanks")]
    many = [user("Both?"),
            assistant("Let me see.", tool_calls=[call("get_weather", {"location": "Oslo"}), call("search", {"query": "q", "limit": 3}, "xyzxyz789")]),
            {"role": "tool", "content": "cold", "tool_call_id": "abcdef123"},
            {"role": "tool", "content": "found", "tool_call_id": "xyzxyz789"}]
    thinking = [user("Think."), assistant("<think>\nhm, hm\n</think>\n\nDone."), user("More"),
                assistant("Sure.", reasoning_content="a reason\n", thinking="a reason\n")]
    parts = [user([{"type": "text", "text": " What is this? "}, {"type": "image"}, {"type": "text", "text": "é"}]), assistant("A cat.")]
    cases = [
        {"messages": short, "add_generation_prompt": True},
        {"messages": [system("You are a pirate.")] + turns, "add_generation_prompt": True},
        {"messages": turns[:-1], "add_generation_prompt": False},
        {"messages": hard, "add_generation_prompt": True},
        {"messages": tools, "tools": [WEATHER, SEARCH], "add_generation_prompt": True},
        {"messages": many, "tools": [WEATHER, SEARCH], "add_generation_prompt": True},
        {"messages": thinking, "add_generation_prompt": False, "enable_thinking": False},
        {"messages": parts, "add_generation_prompt": True},
        {"messages": [user("a"), user("b")], "add_generation_prompt": False},
        {"messages": [{"role": "user"}], "add_generation_prompt": False},
        {"messages": short, "tools": [SEARCH], "tools_in_user_message": False, "builtin_tools": ["code_interpreter", "brave_search"],
         "add_generation_prompt": True, "date_string": "1 Jan 2025"},
        {"messages": [system("Be brief. /no_think"), user("Cite.")], "add_generation_prompt": True,
         "documents": [{"doc_id": 1, "title": "T", "text": "Text one."}, {"doc_id": "b", "title": "Ü", "text": "Zwei"}],
         "controls": {"length": "short"}, "citation_mode": "accurate"},
    ]
    cases += [
        {"messages": turns, "documents": [{"title": "Ü", "text": "'Zwei'", "score": 0.5}], "tools": [WEATHER], "add_generation_prompt": True},
        {"messages": [user("Weather?"), assistant("", tool_calls=[call("get_weather", '{"location": "Oslo"}')]),
                      {"role": "tool", "content": "cold", "tool_call_id": "abcdef123"}, assistant("Cold."), user("ok")],
         "tools": [WEATHER], "add_generation_prompt": True, "enable_thinking": True},
    ]
    return [{"tools": None, "documents": None, **case} for case in cases]


BOS_EOS = {
    "llama-2": ("<s>", "</s>"), "llama-3": ("<|begin_of_text|>", "<|eot_id|>"), "llama-3.1": ("<|begin_of_text|>", "<|eot_id|>"),
    "llama-3.2": ("<|begin_of_text|>", "<|eot_id|>"), "gemma-2": ("<bos>", "<eos>"), "gemma-3": ("<bos>", "<eos>"),
    "deepseek-r1": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"), "command-r": ("<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>"),
}


def tokens(template):
    bos, eos = BOS_EOS.get(template, ("<s>", "</s>"))
    return {"bos_token": bos, "eos_token": eos}
