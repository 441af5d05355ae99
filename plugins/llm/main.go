// Copyright 2026 The Gantry Authors.

// Llm offers openai_chat: one answer of a language model behind OpenAI's chat completions API, or
// any server that speaks it, streamed token by token. It keeps no conversation, and it never sees
// the API key: the host adds it.
package main

import "github.com/gantryhost/gantry/pdk"

var _ = pdk.Serve(
	pdk.Plugin{
		Name: "llm", Version: "1.0.0", Summary: "Chat with a language model over the OpenAI API",
		Config: settings{},
		Wants: pdk.Rights{
			Hosts: []string{"https://api.openai.com"},
			Credentials: []pdk.Credential{{
				Name: "OPENAI_API_KEY", Host: "https://api.openai.com", Header: "Authorization", Template: "Bearer ${value}",
			}},
		},
	},
	pdk.Tool("openai_chat", chatDoc, chat, pdk.Title("Chat with a model"), pdk.OpenWorld,
		pdk.ErrorCode("OPENAI_ERROR"), pdk.OutputSchema(chatOutSchema)),
)

func main() {}
