// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/meter"
)

// state is what of a compiled module a call can change, and whether all of it can be put back.
type state struct {
	// globals are the mutable globals by index.
	globals []uint32
	// stuck says what cannot be put back; empty where everything can.
	stuck string
}

func stateOf(r meter.Report) state {
	s := state{globals: r.Globals}
	switch {
	case len(r.Opaque) > 0:
		s.stuck = fmt.Sprintf("global %d holds a reference or a vector", r.Opaque[0])
	case r.WritesTables:
		s.stuck = "it changes a table"
	case r.DropsSegments:
		s.stuck = "it drops a segment"
	}
	return s
}

// origin keeps a guest's image. The first instance is initialised, and its picture taken, by one
// call while others wait: they start from the picture.
type origin struct {
	// turn holds one token: who has it may look at, and set, image and made.
	turn  chan struct{}
	image *image
	// made says that the picture was taken, or that there will be none.
	made bool
}

func (o *origin) init() {
	o.turn = make(chan struct{}, 1)
	o.turn <- struct{}{}
}

// lock waits for the turn as long as ctx allows.
func (o *origin) lock(ctx context.Context) error {
	select {
	case <-o.turn:
		return nil
	case <-ctx.Done():
		return host.E(opCall, host.CodeOf(ctx.Err()), ctx.Err())
	}
}

func (o *origin) unlock() { o.turn <- struct{}{} }

// release frees the image; the guest is closed and has no instances any more.
func (o *origin) release() error {
	if o.image == nil {
		return nil
	}
	im := o.image
	o.image = nil
	return im.release()
}

// begun starts an instance: from the guest's image where there is one, otherwise by initialising it
// and, under host.IsolationCall, taking the image.
func (in *instance) begun(ctx context.Context, compiled wazero.CompiledModule, st state) error {
	g := in.guest
	if g.isolation != host.IsolationCall || st.stuck != "" {
		return in.start(ctx, compiled, nil)
	}
	o := &g.origin
	if err := o.lock(ctx); err != nil {
		return err
	}
	if o.made {
		im := o.image
		o.unlock()
		return in.start(ctx, compiled, im)
	}
	defer o.unlock()
	if err := in.start(ctx, compiled, nil); err != nil {
		return err
	}
	if err := in.warmUp(ctx); err != nil {
		return err
	}
	im, err := in.picture(st)
	if err != nil {
		return host.E(opCall, abi.CodeBusy, fmt.Errorf("no picture of an instance could be taken: %w", err))
	}
	in.image, o.image, o.made = im, im, true
	return nil
}

// warmUp lets the guest describe itself before its picture is taken. A language's runtime does much
// when code first runs in it (its allocator fetches memory, its libraries make their tables), and
// what is done before the picture no call has to do again, nor a reset to undo.
func (in *instance) warmUp(ctx context.Context) error {
	lim := in.guest.limits
	lim.Wall, lim.Fuel, lim.OutputBytes = in.guest.engine.cfg.InitTimeout, 0, abi.MaxManifestBytes
	_, err := in.call(ctx, &task{entry: entryDescribe, limits: lim})
	if toldByGuest(err) {
		return nil // whoever asks for the manifest is told
	}
	return err
}

// picture takes the image of an instance that was just initialised, and puts it under its memory.
func (in *instance) picture(st state) (*image, error) {
	in.findGlobals(st)
	values := make([]uint64, len(in.globals))
	for i, g := range in.globals {
		values[i] = g.Get()
	}
	mem := in.mem.space[:in.mem.size]
	im, err := newImage(mem, values)
	if err != nil {
		return nil, err
	}
	return im, im.mapOver(mem, in.scanner)
}

func (in *instance) findGlobals(st state) {
	in.globals = in.globals[:0]
	for _, index := range st.globals {
		name := meter.ExportGlobal + strconv.Itoa(int(index))
		if g, ok := in.mod.ExportedGlobal(name).(api.MutableGlobal); ok {
			in.globals = append(in.globals, g)
		}
	}
}

// wake brings a module that was instantiated, and not initialised, to the state of the image.
func (in *instance) wake(im *image) error {
	if grow := im.size - in.mem.size; grow > 0 {
		if _, ok := in.mod.Memory().Grow(uint32(grow / pageBytes)); !ok {
			return in.outOfMemory()
		}
	}
	if err := im.mapOver(in.mem.space[:im.size], in.scanner); err != nil {
		return host.E(opCall, abi.CodeBusy, fmt.Errorf("mapping the image of an instance: %w", err))
	}
	in.findGlobals(in.guest.code.state)
	if len(in.globals) != len(im.globals) {
		return host.Errorf(opCall, abi.CodeInternal, "an instance has %d globals, its image %d", len(in.globals), len(im.globals))
	}
	in.image = im
	in.restoreGlobals()
	return nil
}

func (in *instance) restoreGlobals() {
	for i, g := range in.globals {
		g.Set(in.image.globals[i])
	}
}

// clean readies the instance, after a call that left it reusable, for the next one as the guest's
// isolation has it. Where it cannot, the instance has to go.
func (in *instance) clean() bool {
	if in.guest.isolation != host.IsolationCall {
		return true
	}
	if in.image == nil {
		return false
	}
	if in.mem.size != in.image.size && !in.mem.shrink(in.mod.Memory(), in.image.size) {
		return false
	}
	n, err := in.image.restore(in.mem.space[:in.mem.size], in.scanner)
	if err != nil {
		in.guest.engine.log.Error("an instance could not be reset", "plugin", in.guest.name, "error", err)
		return false
	}
	in.restoreGlobals()
	in.fresh = true
	in.guest.resetBytes.Add(int64(n))
	return in.verify(in.guest.resets.Add(1))
}

// verify compares one reset in Config.VerifyEvery whole with the image.
func (in *instance) verify(nth int64) bool {
	every := in.guest.engine.cfg.VerifyEvery
	if every == 0 || nth%int64(every) != 0 {
		return true
	}
	now := make([]uint64, len(in.globals))
	for i, g := range in.globals {
		now[i] = g.Get()
	}
	if in.image.same(in.mem.space[:in.mem.size]) && slices.Equal(now, in.image.globals) {
		return true
	}
	in.guest.mismatches.Add(1)
	in.guest.engine.log.Error("a reset did not put everything back", "plugin", in.guest.name, "digest", in.guest.digest)
	return false
}
