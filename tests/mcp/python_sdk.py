"""The official Python SDK at work: every tool, resources, prompts, in each era that it speaks. Prints what it saw, as
JSON."""

import asyncio
import json
import sys

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

URL, KEY = sys.argv[1:3]


async def journey(client, label):
    async def call(name, **arguments):
        result = await client.call_tool(name, arguments)
        return {"error": result.content[0].text} if result.is_error else result.structured_content

    tools = [tool.name for tool in (await client.list_tools()).tools]
    file = f"{label}/seals.md"
    documents = [{"external_id": file, "content": f"# Seals\n\nThe seals of {label} sing in the deep.\n"}]
    indexed = await call("friend_index", documents=documents, wait_seconds=50)
    status = await call("friend_status", job_id=indexed["job_id"])
    found = await call("friend_search", query=f"seals of {label}", mode="keyword")
    read = await call("friend_get", document=file, start_line=3, end_line=3)
    remembered = await call("friend_remember", text=f"{label} is released on Thursdays", kind="decision")
    memory = remembered["memory"]["memory_id"]
    recalled = await call("friend_recall", query=f"when is {label} released?")
    forgotten = await call("friend_forget", memory_id=memory)
    sessions = await call("friend_sessions")
    usage = await call("friend_usage")
    asked = await call("friend_ask", question="What is the capital of Freedonia?", wait_seconds=50)
    resource = await client.read_resource(found["hits"][0]["link"])
    context = await client.get_prompt("context", {"task": f"seals of {label}"})
    try:
        await client.call_tool("friend_fly", {})
        unknown = "called"
    except MCPError as error:
        unknown = error.error.code
    return {
        "version": client.protocol_version,
        "tools": tools,
        "indexed": indexed["status"],
        "status": status["jobs"][0]["status"],
        "found": [found["hits"][0][name] for name in ("file", "start_line", "end_line")],
        "read": read["text"],
        "recalled": any(each["memory_id"] == memory for each in recalled["memories"]),
        "forgotten": forgotten["memory_id"] == memory,
        "sessions": len(sessions["sessions"]),
        "usage": usage["resources"][0]["name"],
        "asked": [asked["status"], asked["answer"], next((each["file"] for each in asked["citations"]), None)],
        "resources": str((await client.list_resources()).resources[0].uri),
        "templates": len((await client.list_resource_templates()).resource_templates),
        "resource": resource.contents[0].text,
        "prompts": [prompt.name for prompt in (await client.list_prompts()).prompts],
        "context": file in context.messages[0].content.text,
        "refused": (await call("friend_search", query=" "))["error"],
        "unknown": unknown,
    }


async def main():
    seen = {}
    for label, mode in {"py_legacy": "legacy", "py_auto": "auto", "py_pinned": "2026-07-28"}.items():
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, timeout=120) as http:
            async with Client(streamable_http_client(URL, http_client=http), mode=mode) as client:
                seen[label] = await journey(client, label)
    print(json.dumps(seen))


asyncio.run(main())
