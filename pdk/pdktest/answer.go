// Copyright 2026 The Gantry Authors.

package pdktest

// Accept is the answer of a person who filled in a form with content, anything that encodes to a
// JSON object.
func Accept(content any) any {
	return map[string]any{"action": "accept", "content": content}
}

// Decline is the answer of a person who said no.
func Decline() any { return map[string]any{"action": "decline"} }

// Sampled is the answer of the client's model.
func Sampled(text string) any {
	return map[string]any{"role": "assistant", "model": "test", "stopReason": "endTurn",
		"content": map[string]string{"type": "text", "text": text}}
}

// Roots are the client's folders, as URIs.
func Roots(uris ...string) any {
	roots := []map[string]string{}
	for _, uri := range uris {
		roots = append(roots, map[string]string{"uri": uri})
	}
	return map[string]any{"roots": roots}
}
