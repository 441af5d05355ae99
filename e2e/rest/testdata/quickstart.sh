# Step 1: Execute
CALL_ID=$(curl -X POST \
  -H "Authorization: Bearer super-secret-token" \
  -H "Content-Type: application/json" \
  -d '{
    "tool": "openai_chat",
    "input": {
      "messages": [{"role": "user", "content": "Hello"}]
    },
    "request_id": "req-123"
  }' \
  http://localhost:8000/mcp/execute | jq -r '.call_id')
# Step 2: Stream
curl -N -H "Authorization: Bearer super-secret-token" \
  "http://localhost:8000/mcp/stream/$CALL_ID"
