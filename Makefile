# Gantry. `make run` and `make test` need Go and nothing else.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -X main.version=$(VERSION)
WASM     := GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 $(GO) build -trimpath -buildmode=c-shared
SHIPPED  := $(patsubst plugins/%/main.go,%,$(wildcard plugins/*/main.go))
DIST     := $(SHIPPED:%=plugins/dist/%.wasm)
GUESTLIB := $(wildcard abi/*.go pdk/*.go)

.PHONY: all run build plugins test check fmt e2e languages conformance bench fuzz hammer clean help

all: build

help: ## what there is to make
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## build everything, serve on 127.0.0.1:8000, print a key and a client snippet
	bin/gantry serve --quickstart $(ARGS)

build: plugins .gantry ## bin/gantry with the shipped plugins inside
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/gantry ./cmd/host

.gantry:
	mkdir -p .gantry

plugins: $(DIST) ## the shipped plugins, as Wasm

# One rule for every plugin: a folder below plugins/ with a main.go is one.
.SECONDEXPANSION:
plugins/dist/%.wasm: $$(wildcard plugins/%/*.go) $$(wildcard plugins/%/*.yaml) $(GUESTLIB)
	$(WASM) -o $@ ./plugins/$*
	@if [ -f plugins/$*/$*.yaml ]; then cp plugins/$*/$*.yaml plugins/dist/$*.yaml; fi

test: build ## every test, with the race detector
	@bin/gantry doctor --data .gantry/warm --cache .gantry/cache > .gantry/doctor.txt 2>&1 || cat .gantry/doctor.txt
	GANTRY_TEST_CACHE=$(CURDIR)/.gantry/cache $(GO) test -race -timeout 20m ./...

check: plugins ## the gate: format, tidy, vet, staticcheck, layers, goldens, git clean
	./.ci/check

fmt:
	gofmt -w $$(git ls-files '*.go')

e2e: build ## official clients against the real binary (installs npm packages under .gantry/)
	./.ci/e2e

languages: build ## examples in C, Rust and AssemblyScript, and with Extism's kits, against the real binary (installs what compilers are missing)
	./.ci/languages

conformance: build ## the official conformance suite against the real binary
	./.ci/conformance

hammer: build ## reload under load, kill -9, tenants: the long proofs
	./.ci/hammer

bench: build ## the figures of docs/benchmarks.md
	$(GO) run ./bench/mcp
	$(GO) run ./bench/sandbox
	$(GO) run ./bench/hostile
	$(GO) run ./bench/limits
	$(GO) run ./bench/streams
	$(GO) run ./bench/limits

fuzz: plugins ## every fuzz target for FUZZTIME each
	./.ci/fuzz

clean:
	rm -rf bin plugins/dist/*.wasm plugins/dist/*.yaml
