"""The official openai package, unmodified, against /v1: completes, streams, and gets its errors.

Usage: python3 openai_client.py BASE_URL API_KEY QUESTION
Prints one JSON object with what it saw.
"""

import json
import sys

import openai

base_url, key, question = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=170)
seen = {"models": [model.id for model in client.models.list()]}

completion = client.chat.completions.create(
    model="friend", messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]
)
seen["answer"] = completion.choices[0].message.content
seen["finish"] = completion.choices[0].finish_reason
seen["usage"] = completion.usage.total_tokens
seen["citations"] = completion.citations

stream = client.chat.completions.create(
    model="friend-general",
    messages=[{"role": "user", "content": question}],
    stream=True,
    stream_options={"include_usage": True},
)
pieces, usage = [], None
for chunk in stream:
    usage = chunk.usage or usage
    if chunk.choices and chunk.choices[0].delta.content:
        pieces.append(chunk.choices[0].delta.content)
seen["pieces"] = len(pieces)
seen["streamed"] = "".join(pieces)
seen["streamed_usage"] = usage.total_tokens

try:
    client.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "x"}])
except openai.NotFoundError as error:
    seen["unknown_model"] = error.code
try:
    openai.OpenAI(base_url=base_url, api_key="cf_local_x_y", max_retries=0).models.list()
except openai.AuthenticationError as error:
    seen["bad_key"] = error.status_code
print(json.dumps(seen))
