"""A client that openapi-python-client made of /openapi.json, used as it is: indexes, waits, searches, asks, pages.

Usage: python_client.py BASE_URL API_KEY; the generated package `generated` is on the path.
Prints one JSON object with what it saw.
"""

import json
import sys
import time

from generated import AuthenticatedClient
from generated.api.chat import chat
from generated.api.documents import documents_delete, documents_list, documents_original
from generated.api.index import index
from generated.api.jobs import jobs_get
from generated.api.search import search
from generated.models import (
    Chat,
    ChatAnswer,
    Document,
    DocumentsType2,
    Filters,
    JobStatus,
    Mode,
    Problem,
    Search,
)

base_url, key = sys.argv[1:]
client = AuthenticatedClient(base_url=base_url, token=key, timeout=70)
ENDED = (JobStatus.SUCCEEDED, JobStatus.PARTIAL, JobStatus.FAILED, JobStatus.CANCELLED)


def wait(job_id):
    """The job, once it has ended."""
    while (job := jobs_get.sync(job_id, client=client)).status not in ENDED:
        time.sleep(0.2)
    return job


documents = DocumentsType2(
    documents=[
        Document(
            external_id=f"generated/{n}.md",
            content=f"The capital of Freedonia is Glorp, page {n}.",
            tags=["python"],
        )
        for n in range(3)
    ]
)
accepted = index.sync(client=client, body=documents)
seen = {"items": [item.status for item in accepted.items], "indexed": wait(accepted.job_id).status.value}

found = search.sync(
    client=client,
    body=Search(query="capital of Freedonia", mode=Mode.KEYWORD, filters=Filters(tags=["python"])),
)
seen["hits"] = sorted(hit.external_id for hit in found.hits)
seen["found_by"] = found.hits[0].found_by

answer = chat.sync(client=client, body=Chat(message="What is the capital of Freedonia?"), prefer="wait=60")
if isinstance(answer, ChatAnswer):
    answer = wait(answer.job_id).result
seen["answer"] = answer.answer

listed, cursor = [], None
while True:
    page = documents_list.sync(client=client, limit=2, tag="python", **({"cursor": cursor} if cursor else {}))
    listed.append([document.external_id for document in page.items])
    cursor = page.next_cursor
    if not cursor:
        break
seen["pages"] = listed

identifier = found.hits[0].document_id
seen["original"] = documents_original.sync(identifier, client=client)
deleted = documents_delete.sync_detailed(identifier, client=client)
seen["deleted"] = int(deleted.status_code)
wait(deleted.parsed.job_id)

problem = jobs_get.sync("job_nothing", client=client)
assert isinstance(problem, Problem)
seen["problem"] = problem.code
print(json.dumps(seen))
