// Copyright 2026 The Gantry Authors.

// Command conformance is the plugin that the official MCP conformance suite is run against: it
// offers the tools, prompts and resources whose names and behaviour the suite prescribes, so that
// the suite measures the path that every plugin takes. It is of no other use.
//
// Two things of the suite's wish list a plugin cannot do, and no scored scenario needs them: close
// the stream of its own call (test_reconnection only waits and answers), and change
// test://watched-resource by itself every three seconds (test_touch_watched_resource does it when
// called).
package main

import "github.com/gantryhost/gantry/pdk"

var _ = pdk.Serve(pdk.Plugin{Name: "conformance", Summary: "What the MCP conformance suite asks of a server"},
	// What a result may hold.
	pdk.Tool("test_simple_text", "Answers with a text.", simpleText, pdk.ReadOnly),
	pdk.Tool("test_image_content", "Answers with a picture.", imageContent, pdk.ReadOnly),
	pdk.Tool("test_audio_content", "Answers with a sound.", audioContent, pdk.ReadOnly),
	pdk.Tool("test_embedded_resource", "Answers with a resource, whole.", embeddedResource, pdk.ReadOnly),
	pdk.Tool("test_multiple_content_types", "Answers with a text, a picture and a resource.", multipleContent, pdk.ReadOnly),
	pdk.Tool("test_error_handling", "Always fails.", errorHandling, pdk.ReadOnly),
	pdk.Tool("json_schema_2020_12_tool", "Has an input schema with keywords of JSON Schema 2020-12.", echoInput,
		pdk.ReadOnly, pdk.InputSchema(schema202012)),
	pdk.Tool("test_x_mcp_header", "Has an argument that clients mirror into a header.", mirroredArgument,
		pdk.ReadOnly, pdk.InputSchema(headerSchema)),

	// What a call may say while it runs.
	pdk.Tool("test_tool_with_progress", "Tells its progress in three steps.", withProgress, pdk.ReadOnly),
	pdk.Tool("test_tool_with_logging", "Writes three log lines.", withLogging, pdk.ReadOnly),
	pdk.Tool("test_logging_tool", "Writes one log line, for clients that asked for it.", oneLogLine, pdk.ReadOnly),
	pdk.Tool("test_streaming_elicitation", "Answers without asking anything.", noQuestion, pdk.ReadOnly),
	pdk.Tool("test_reconnection", "Answers after a moment.", reconnection, pdk.ReadOnly),
	pdk.Tool("test_trigger_tool_change", "Tells clients that the list of tools changed.", announce("tools"), pdk.ReadOnly),
	pdk.Tool("test_trigger_prompt_change", "Tells clients that the list of prompts changed.", announce("prompts"), pdk.ReadOnly),
	pdk.Tool("test_touch_watched_resource", "Tells clients that the watched resource changed.", announce(watchedURI), pdk.ReadOnly),

	// What a call may ask of its client.
	pdk.Tool("test_missing_capability", "Needs a client that can sample.", missingCapability, pdk.ReadOnly, pdk.Needs("sampling")),
	pdk.Tool("test_sampling", "Asks the client's model.", sampling, pdk.ReadOnly),
	pdk.Tool("test_elicitation", "Asks the person for a name.", elicitation, pdk.ReadOnly),
	pdk.Tool("test_elicitation_sep1034_defaults", "Asks with a form that has defaults.", elicit(defaultsSchema), pdk.ReadOnly),
	pdk.Tool("test_elicitation_sep1330_enums", "Asks with a form that has choices of every form.", elicit(enumsSchema), pdk.ReadOnly),
	pdk.Tool("test_input_required_result_elicitation", "Asks the person for a name.", requiredElicitation, pdk.ReadOnly),
	pdk.Tool("test_input_required_result_sampling", "Asks the client's model for a capital.", requiredSampling, pdk.ReadOnly),
	pdk.Tool("test_input_required_result_list_roots", "Asks for the client's roots.", requiredRoots, pdk.ReadOnly),
	pdk.Tool("test_input_required_result_request_state", "Asks, and keeps a state meanwhile.", requiredState, pdk.ReadOnly),
	pdk.Tool("test_input_required_result_tampered_state", "Asks, and keeps a state that nobody may change.", requiredState, pdk.ReadOnly),
	pdk.Tool("test_input_required_result_multiple_inputs", "Asks three things at once.", requiredMany, pdk.ReadOnly),
	pdk.Tool("test_input_required_result_multi_round", "Asks twice, the second time about the first.", requiredRounds, pdk.ReadOnly),
	pdk.Tool("test_input_required_result_capabilities", "Asks what the client says it can answer.", requiredCapabilities, pdk.ReadOnly),

	// What may become a task.
	pdk.Tool("greet", "Greets at once; never a task.", greet, pdk.ReadOnly),
	pdk.Tool("slow_compute", "Sleeps and answers.", slowCompute, pdk.ReadOnly, pdk.LongRunning),
	pdk.Tool("failing_job", "Fails after a second.", failingJob, pdk.ReadOnly, pdk.TaskOnly),
	pdk.Tool("protocol_error_job", "Crashes.", crashingJob, pdk.ReadOnly, pdk.LongRunning),
	pdk.Tool("confirm_delete", "Asks one thing while it runs.", confirmDelete, pdk.ReadOnly, pdk.LongRunning),
	pdk.Tool("multi_input", "Asks two things at once while it runs.", multiInput, pdk.ReadOnly, pdk.LongRunning),
	pdk.Tool("test_tool_with_task", "Asks for a name before it becomes a task.", askThenWork, pdk.ReadOnly, pdk.TaskOnly, pdk.AsksFirst),

	pdk.Prompt("test_simple_prompt", "A prompt without arguments.", simplePrompt, pdk.Title("Simple prompt")),
	pdk.Prompt("test_prompt_with_arguments", "A prompt with two arguments.", promptWithArguments, pdk.Title("Prompt with arguments")),
	pdk.Prompt("test_prompt_with_embedded_resource", "A prompt that holds a resource.", promptWithResource, pdk.Title("Prompt with a resource")),
	pdk.Prompt("test_prompt_with_image", "A prompt that holds a picture.", promptWithImage, pdk.Title("Prompt with a picture")),
	pdk.Prompt("test_input_required_result_prompt", "A prompt that asks the person first.", requiredPrompt, pdk.Title("Prompt that asks")),

	pdk.Resource("test://static-text", "static-text", staticText, pdk.Description("A text that never changes.")),
	pdk.Resource("test://static-binary", "static-binary", staticBinary, pdk.MIME("image/png"), pdk.Description("A picture that never changes.")),
	pdk.Resource(watchedURI, "watched-resource", watched, pdk.Description("A text that clients may follow.")),
	pdk.Template("test://template/{id}/data", "template", templated, pdk.MIME("application/json"), pdk.Description("A document for each id.")),
	pdk.Complete(complete),
)

func main() {}
