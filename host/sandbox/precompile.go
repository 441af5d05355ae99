// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/tetratelabs/wazero"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Precompile compiles a module as Config.Compiler is handed it, into the cache of the engines with
// that CacheDir. It is the part of the compiling that happens in a process of its own. Errors are of
// CodeContract where the module does not compile.
func Precompile(ctx context.Context, cacheDir string, wasm []byte) (err error) {
	const op = "sandbox.Precompile"
	cache, err := newCache(cacheDir)
	if err != nil {
		return host.E(op, abi.CodeInternal, err)
	}
	r := wazero.NewRuntimeWithConfig(ctx, compiling().WithCompilationCache(cache))
	defer func() {
		if p := recover(); p != nil {
			err = contractf("the module does not compile: the compiler gave up: %v", p)
			return
		}
		if closing := errors.Join(r.Close(ctx), cache.Close(ctx)); closing != nil && err == nil {
			err = host.E(op, abi.CodeInternal, closing)
		}
	}()
	if _, err := r.CompileModule(ctx, wasm); err != nil {
		return contractf("the module does not compile: %w", err)
	}
	return nil
}

// newCache opens the compiled code below a CacheDir.
func newCache(cacheDir string) (wazero.CompilationCache, error) {
	dir := filepath.Join(cacheDir, "code")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return wazero.NewCompilationCacheWithDir(dir)
}

// provenDir holds an empty file for each module that Config.Compiler has compiled.
const provenDir = "proven"

// aside has Config.Compiler compile a prepared module, unless it has done so before: then its code is
// in the cache or, should somebody have emptied that, at least known to be no bomb.
func (c *code) aside(wasm []byte) error {
	e := c.engine
	if e.cfg.Compiler == nil || e.cfg.CacheDir == "" {
		return nil
	}
	mark := filepath.Join(e.cfg.CacheDir, provenDir, c.markName())
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	if err := e.cfg.Compiler(e.life, wasm); err != nil {
		return err
	}
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		e.log.Warn("that a module was compiled could not be noted; the next start compiles it aside again", "module", c.key, "error", err)
	}
	return nil
}

// markName names what the compiled code depends on.
func (c *code) markName() string {
	digest, _, _ := strings.Cut(strings.TrimPrefix(c.key, "sha256:"), "/")
	return fmt.Sprintf("%s-%s-%d-%s", digest, preparation, c.engine.cfg.Admission.TableEntries, runtimeVersion())
}

// runtimeVersion is wazero's, which compiles differently from one to the next.
func runtimeVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/tetratelabs/wazero" {
			return dep.Version
		}
	}
	return "unknown"
}
