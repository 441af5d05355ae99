// Copyright 2026 The Gantry Authors.

// Package extismrun runs plugins that were built with one of Extism's own PDKs, through Extism's Go
// SDK, and offers them as tools beside the native ones. Detect tells which modules are meant for it.
//
// A plugin's tools come from one of two places. A module that exports describe and call is asked:
// describe answers {"tools": [{"name", "description", "inputSchema"}]}, and call takes
// {"params": {"name", "arguments"}} and answers {"content": [...], "isError"}. Any other module has
// functions from one string to another; which of them are tools is the operator's to say, in the
// settings file beside the module. There, under config, the key extism holds Extism's own manifest
// (config, allowed_hosts, memory, timeout_ms, and the hash of wasm) with the list tools added:
//
//	config:
//	  greeting: hello               # the plugin reads it as config "greeting"
//	  extism:
//	    tools:
//	      - name: count_vowels      # what callers say; the export is called so too, or: export: NAME
//	        description: Count the vowels of a text.
//	        read_only: true
//	    allowed_hosts: [api.example.com]
//	    memory: {max_pages: 64}
//	    timeout_ms: 2000
//	grants:
//	  hosts: [api.example.com]
//
// A tool takes {"input": TEXT} and answers text. With input: json its arguments go to the plugin as
// they are and input_schema describes them; with output: json the answer has to be one JSON value;
// with silent: true it may answer nothing.
//
// The SDK is used for what is Extism's (its kernel and memory, configuration, variables, and how a module
// is started), and kept from what would leave the house's limits. The module is held against structural
// bounds and rewritten so that it can be interrupted anywhere, and some of its imports are answered by
// this package: its requests go through the call's border, so that the grants decide, and allowed_hosts
// only narrows them; its log lines go to the plugin's log; its output, its error and single bytes are
// taken with their pointers checked. Random numbers and clocks are real. There are no files and no
// environment.
//
// As for a native plugin, every call begins from a clean state unless the settings say otherwise.
// Here that is a new instance for every call, kernel and all: its start function and what Extism calls
// initialisation run each time, and count as the call's time and fuel. Under isolation: tenant or
// shared an instance serves one call after another and keeps what the plugin keeps in it, such as
// Extism's variables; two calls may still meet different instances, so a variable is a cache and no
// memory. An instance is thrown away after a crash, a limit or an interruption.
//
// Fuel is counted as for a native plugin, in the plugin's own code: what Extism's kernel does is not,
// but each call of it is.
//
// It does not serve host functions of an application's own, several modules linked together, mounted
// paths, or prompts and resources. A call costs some hundred times that of a native plugin, and more
// with an instance of its own.
package extismrun
