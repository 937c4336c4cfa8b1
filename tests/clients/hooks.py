"""What schemathesis cannot know from the description: bodies that no schema says all of, and the key that it uses."""

import gzip
import io
import json
import os
import tarfile

import schemathesis
from hypothesis import strategies as st

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30)
NAMES = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?\.(md|rs|txt)", fullmatch=True)
FILES = st.dictionaries(NAMES, WORDS, min_size=1, max_size=5)
DOCUMENTS = st.fixed_dictionaries(
    {"content": WORDS.map(lambda words: f"The {words}")},
    optional={"external_id": WORDS, "title": WORDS, "tags": st.lists(WORDS, max_size=3)},
)


def archive(files: dict[str, str]) -> bytes:
    """A tar of these files, the same every time."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, text in files.items():
            content = f"The {text}".encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def lines(documents: list[dict]) -> bytes:
    """A document in each line."""
    return "\n".join(map(json.dumps, documents)).encode()


schemathesis.openapi.media_type("application/x-ndjson", st.lists(DOCUMENTS, min_size=1, max_size=5).map(lines))
schemathesis.openapi.media_type("application/x-tar", FILES.map(archive))
schemathesis.openapi.media_type("application/gzip", FILES.map(lambda files: gzip.compress(archive(files), mtime=0)))

# `cf_{environment}_{id}_{secret}`
OWN_KEY = os.environ["KEY"].split("_")[2]


@schemathesis.hook
def before_call(context, case, kwargs):
    """The run goes on with its key: it revokes others."""
    if case.method == "DELETE" and (case.path_parameters or {}).get("id") == OWN_KEY:
        case.path_parameters["id"] = f"{OWN_KEY}x"


# What is refused although its schema allows it, by what the answer says: no schema can say this.
BEYOND_SCHEMAS = [
    # This is a handshake of a WebSocket, which schemathesis does not make.
    "this path answers to WebSocket requests",
    # A page's place in its list is what the page before it said.
    "this is no cursor of this list",
    "this is no cursor of a delete",
    # Whose key it is stands in no schema.
    ", and remain so",
    # What was done before: another request with this key, another memory with this text.
    "this key came with another body before",
    "this memory says the same already",
    # The ids of a job's events are of its kind.
    "expected the id of an event",
    # What a file is, its bytes say.
    "only text is indexed",
    # Of several messages the last is the question.
    "the last message must be the user's",
    "the text is empty: write at least one character that is not white space",
    # What came of a call follows that call, and only where tools are taken.
    "has no result: a message of the role tool",
    "the id of a call of the assistant's message before it",
    "tool_call_id is missing",
    'and must be \\"none\\", \\"auto\\", or with tools',
    # Two fields or parameters that go together, or do not.
    "only the assistant calls",
    "the text of a JSON object",
    # A project is called the same on every machine.
    "it is a path of this machine",
    # Letters may have several bytes.
    "it has more than 200 bytes",
    # A file of a project is called after it.
    "does not begin with",
    "what fits a query is one page of active memories",
    "stream_options is there, and must be left out where stream is not true",
    "max_completion_tokens and max_tokens say the same",
    # Of several parameters one at least.
    "say which documents are to be deleted",
    "whoever has a name of their own is a guest",
    # A text that is longer as windows of the model than as a text.
    "one request takes",
    # What an agent says of its version in headers and in its message must agree, and be spoken here.
    "Unsupported protocol version",
    "Header mismatch",
    "params._meta[",
    # A name in which nothing is seen: schemas know of white space, but not of characters without width.
    "nothing but characters without width",
]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """False for what is as it should be."""
    text = response.text
    match failure.code:
        # How long an answer takes is the machine's, and `Prefer: wait` asks for it.
        case "ST112":
            return False
        # A media type of text whose schema is a text, as OpenAPI 3.1 has it; schemathesis looks at single events.
        case "ST108" if failure.title.startswith("SSE event"):
            return False
        # Of several documents each is taken or refused alone, and the answer says which.
        case "ST201" if case.operation.label == "POST /api/index":
            return '"status":"rejected"' not in text
        # Whatever a hook sends, nobody who works there is disturbed.
        case "ST201" if case.operation.label == "POST /hooks/claude-code":
            return False
        case "ST202":
            return not any(said in text for said in BEYOND_SCHEMAS)
    return True
