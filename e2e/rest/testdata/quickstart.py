import requests
import json
BASE = "http://localhost:8000"
TOKEN = "super-secret-token"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
# Execute
resp = requests.post(
    f"{BASE}/mcp/execute",
    json={
        "tool": "openai_chat",
        "input": {
            "messages": [{"role": "user", "content": "Hello"}]
        }
    },
    headers=HEADERS
)
call_id = resp.json()["call_id"]
# Stream
with requests.get(f"{BASE}/mcp/stream/{call_id}", 
                  headers=HEADERS, stream=True) as r:
    for line in r.iter_lines():
        if line.startswith(b"data: "):
            data = json.loads(line[6:])
            print(data.get("text", ""), end="", flush=True)
