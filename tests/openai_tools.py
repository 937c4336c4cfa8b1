"""Tools that speak OpenAI's API, unmodified, against /v1: llm, LiteLLM, LangChain and instructor.

Usage: python3 openai_tools.py BASE_URL API_KEY FOLDER
FOLDER is where llm keeps its configuration. Prints one JSON object with what each of them saw.
"""

import json
import os
import pathlib
import sys

base_url, key, folder = sys.argv[1:]
os.environ.update(LLM_USER_PATH=folder, LITELLM_LOCAL_MODEL_COST_MAP="True", LANGSMITH_TRACING="false")
question = "What is the capital of Freedonia?"
messages = [{"role": "user", "content": question}]
seen = {}


def try_llm():
    import llm

    configured = f"- model_id: friend\n  model_name: friend\n  api_base: {base_url}\n  api_key_name: friend\n"
    pathlib.Path(folder, "extra-openai-models.yaml").write_text(configured, encoding="utf-8")
    pathlib.Path(folder, "keys.json").write_text(json.dumps({"friend": key}), encoding="utf-8")
    model = llm.get_model("friend")
    return {
        "whole": model.prompt(question, stream=False, temperature=0).text(),
        "streamed": "".join(model.prompt(question, stream=True)),
    }


def try_litellm():
    import litellm

    def complete(**fields):
        return litellm.completion(
            model="openai/friend", api_base=base_url, api_key=key, messages=messages, max_retries=0, **fields
        )

    whole = complete(stop=["It lies"], temperature=0, seed=3)
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in complete(stream=True))
    tool = {"type": "function", "function": {"name": "look", "parameters": {}}}
    called = complete(tools=[tool], tool_choice="required")
    try:
        complete(logprobs=True)
        refused = None
    except litellm.BadRequestError as error:
        refused = "logprobs" in str(error)
    try:
        litellm.completion(
            model="openai/friend",
            api_base=base_url,
            api_key=key,
            max_retries=0,
            messages=[{"role": "user", "content": "word " * 40_000}],
        )
        too_long = None
    except litellm.BadRequestError as error:
        too_long = type(error).__name__
    vectors = litellm.embedding(
        model="openai/friend-embedding", input=["ships"], api_base=base_url, api_key=key, encoding_format="float"
    )
    return {
        "whole": whole.choices[0].message.content,
        "streamed": streamed,
        "called": called.choices[0].message.tool_calls[0].function.name,
        "refused": refused,
        "too_long": too_long,
        "dimensions": len(vectors.data[0]["embedding"]),
    }


def try_langchain():
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings
    from pydantic import BaseModel

    class Capital(BaseModel):
        capital: str

    chat = ChatOpenAI(base_url=base_url, api_key=key, model="friend", max_retries=0, temperature=0)
    structured = chat.with_structured_output(Capital, method="json_schema").invoke(question)
    called = chat.with_structured_output(Capital, method="function_calling").invoke(question)
    vectors = OpenAIEmbeddings(
        base_url=base_url, api_key=key, model="friend-embedding", check_embedding_ctx_length=False, chunk_size=50
    ).embed_documents(["ships", "whales"])
    return {
        "whole": chat.invoke(question).content,
        "streamed": "".join(chunk.content for chunk in chat.stream(question)),
        "structured": structured.capital,
        "called": called.capital,
        "dimensions": [len(vector) for vector in vectors],
    }


def try_instructor():
    import instructor
    import openai
    from pydantic import BaseModel

    class Capital(BaseModel):
        capital: str

    client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)

    def extract(mode):
        extractor = instructor.from_openai(client, mode=mode)
        found = extractor.chat.completions.create(
            model="friend-plain", messages=messages, response_model=Capital, max_retries=0
        )
        return found.capital

    modes = {"json": instructor.Mode.JSON, "schema": instructor.Mode.JSON_SCHEMA, "tools": instructor.Mode.TOOLS}
    return {name: extract(mode) for name, mode in modes.items()}


tools = {"llm": try_llm, "litellm": try_litellm, "langchain": try_langchain, "instructor": try_instructor}
for name, attempt in tools.items():
    seen[name] = attempt()
print(json.dumps(seen))
