"""The official openai package, unmodified, against everything of /v1 but what openai_client.py tries.

Usage: python3 openai_sdk.py BASE_URL API_KEY
Prints one JSON object with what it saw.
"""

import json
import sys

import openai
import pydantic
from openai.types import embedding_create_params
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params

base_url, key = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=170)
question = [{"role": "user", "content": "What is the capital of Freedonia?"}]
seen = {
    "parameters": {
        "chat": sorted(completion_create_params.CompletionCreateParamsStreaming.__annotations__),
        "embeddings": sorted(embedding_create_params.EmbeddingCreateParams.__annotations__),
        "responses": sorted(response_create_params.ResponseCreateParamsStreaming.__annotations__),
    }
}


def complete(**fields):
    return client.chat.completions.create(**{"model": "friend", "messages": question, **fields})


def refusal(call):
    """What an error says: its class, code and parameter."""
    try:
        call()
    except openai.APIStatusError as error:
        return [type(error).__name__, error.code, error.param]
    return None


stopped = complete(stop=["It lies"], temperature=0, seed=7, max_completion_tokens=64)
seen["stopped"] = stopped.choices[0].message.content
plain = complete(extra_body={"retrieval": False})
seen["plain"] = [plain.choices[0].message.content, plain.citations]
schema = {"type": "object", "properties": {"capital": {"type": "string"}}, "required": ["capital"]}
as_json = {"type": "json_schema", "json_schema": {"name": "capital", "schema": schema}}
seen["json"] = json.loads(complete(response_format=as_json).choices[0].message.content)

pieces, last = [], None
for chunk in complete(stream=True):
    if chunk.choices:
        pieces.append(chunk.choices[0].delta.content or "")
        last = chunk
seen["streamed"] = "".join(pieces)
seen["streamed_citations"] = last.citations
seen["whole"] = complete().choices[0].message.content



class Look(pydantic.BaseModel):
    """Looks at a place."""

    capital: str


def loop(**fields):
    """Calls what the model calls, and gives it the result; what was called, and what it then said."""
    tool = {"type": "function", "function": {"name": "look", "parameters": Look.model_json_schema()}}
    called = complete(tools=[tool], **fields).choices[0]
    call = called.message.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": json.loads(call.function.arguments)["capital"]}
    answered = complete(tools=[tool], **{**fields, "messages": [*question, called.message, result]}).choices[0]
    return [called.finish_reason, called.message.content, call.function.name, answered.message.content]


seen["tools"] = [loop(), loop(model="friend-code-plain", temperature=0.5)]
strict = {"model": "friend", "messages": question, "tools": [openai.pydantic_function_tool(Look)]}
parsed = client.chat.completions.parse(**strict).choices[0].message.tool_calls[0]
seen["parsed"] = parsed.function.parsed_arguments.capital
with client.chat.completions.stream(**strict) as stream:
    kinds = [event.type for event in stream]
    final = stream.get_final_completion().choices[0]
seen["tools_streamed"] = [
    "tool_calls.function.arguments.done" in kinds,
    final.message.role,
    final.message.content,
    final.finish_reason,
    final.message.tool_calls[0].function.parsed_arguments.capital,
]

custom = {"type": "custom", "custom": {"name": "look"}}
alone = [*question, {"role": "tool", "tool_call_id": "x", "content": "42"}]
seen["refused"] = {
    "tools": refusal(lambda: complete(tools=[custom])),
    "alone": refusal(lambda: complete(messages=alone)),
    "choice": refusal(lambda: complete(tool_choice="required")),
    "logprobs": refusal(lambda: complete(logprobs=True)),
    "temperature": refusal(lambda: complete(temperature=3)),
    "hot": refusal(lambda: complete(temperature="hot")),
    "unknown": refusal(lambda: complete(extra_body={"heat": 1})),
    "long": refusal(lambda: complete(messages=[{"role": "user", "content": "word " * 40_000}])),
    "completions": refusal(lambda: client.completions.create(model="friend", prompt="x")),
    "dimensions": refusal(lambda: client.embeddings.create(model="friend-embedding", input="x", dimensions=512)),
}

seen["model"] = client.models.retrieve("friend-plain").id
packed = client.embeddings.create(model="friend-embedding", input=["ships", "whales"])
floats = client.embeddings.create(model="friend-embedding", input="ships", encoding_format="float", dimensions=384)
seen["embeddings"] = [len(packed.data), len(packed.data[0].embedding), packed.usage.prompt_tokens]
seen["same"] = max(abs(a - b) for a, b in zip(packed.data[0].embedding, floats.data[0].embedding)) < 1e-5

first = client.responses.create(model="friend", input=question[0]["content"])
seen["response"] = [first.output_text, first.status, first.usage.total_tokens]
second = client.responses.create(model="friend-plain", input="Again?", previous_response_id=first.id)
seen["second"] = [second.previous_response_id == first.id, bool(second.output_text)]
with client.responses.stream(model="friend", input="And once more: what is the capital of Freedonia?") as stream:
    seen["events"] = [event.type for event in stream]
    seen["response_streamed"] = stream.get_final_response().output_text

whale = complete(stream=True, messages=[{"role": "user", "content": "Tell me of a whale, to be closed"}])
next(iter(whale))
seen["closed"] = whale.response.headers["x-job-id"]
whale.close()
print(json.dumps(seen))
