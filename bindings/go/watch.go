package cluster

// #include "shim.h"
import "C"

import (
	"context"
)

// WatchOptions: all zero tells every change from the next one on.
type WatchOptions struct {
	From          uint64 // Revision.
	NoPuts        bool
	NoDeletes     bool
	WantsPrevious bool
	WantsProgress bool // Batches without a change tell how far it is told.
}

// Change of a key. Of a deletion, Now has the key's name and the deletion's revision.
type Change struct {
	IsDeleted bool
	Now       KeyValue
	Before    KeyValue // Exists where it was wanted, and was there.
}

// Batch is whole revisions, in order. To watch again from Upto+1 leaves nothing out and tells
// nothing twice.
type Batch struct {
	Changes    []Change
	Upto       uint64
	IsProgress bool
}

// Watch tells changes. Its channel is closed at the end; Err says why.
type Watch struct {
	C        <-chan Batch
	registry *Registry
	watch    *C.cluster_watch
	cancel   context.CancelFunc
	done     chan struct{}
	err      error
}

// Err is why the channel was closed: the context's end, ErrClosed with the registry, or
// ErrTruncated where what it was to tell is no longer kept: read the range, and watch from the
// revision after, or from Error.ResumeFrom. To be asked when the channel is closed.
func (w *Watch) Err() error { return w.err }

// Close ends it before its context does.
func (w *Watch) Close() error {
	w.cancel()
	<-w.done
	return nil
}

// Watch tells changes of keys until the context ends.
func (k Keys) Watch(ctx context.Context, keys Range, options WatchOptions) (*Watch, error) {
	what := C.cluster_watch_options{no_puts: flag(options.NoPuts),
		no_deletes:     flag(options.NoDeletes),
		wants_previous: flag(options.WantsPrevious), wants_progress: flag(options.WantsProgress)}
	C.shim_set_from(&what, C.uint64_t(options.From))
	kind, begin, beginSize, end, endSize := keys.parts()
	to := make(chan Batch, 16)
	w := &Watch{C: to, registry: k.registry, done: make(chan struct{})}
	var handle *C.cluster_watch
	err := refusal(k.registry.with(func() C.told {
		return C.shim_registry_watch(k.registry.raw(), kind, begin, beginSize, end, endSize, what,
			k.asked(ctx), &handle)
	}))
	if err != nil {
		return nil, err
	}
	w.watch = handle
	ctx, w.cancel = context.WithCancel(ctx)
	if !k.registry.addInner(w) {
		w.cancel()
		C.cluster_watch_close(w.watch)
		return nil, errClosed
	}
	go w.run(ctx, to)
	return w, nil
}

func (w *Watch) run(ctx context.Context, to chan<- Batch) {
	for w.err == nil {
		var batch Batch
		batch, w.err = value(w.registry.runtime, ctx, read, batchOf,
			func(tag C.uint64_t) C.told { return C.shim_watch_next(w.watch, tag) })
		if w.err != nil {
			break
		}
		select {
		case to <- batch:
		case <-ctx.Done():
			w.err = contextEnded(ctx, false)
		}
	}
	select {
	case <-w.registry.ending:
		w.err = errClosed
	default:
	}
	w.cancel()
	w.registry.removeInner(w)
	C.cluster_watch_close(w.watch)
	close(to)
	close(w.done)
}

func batchOf(e *event) Batch {
	batch := Batch{Changes: make([]Change, int(e.item_count)), Upto: uint64(e.a),
		IsProgress: e.flags&C.CLUSTER_FLAG_PROGRESS != 0}
	for i := range batch.Changes {
		row := (*C.cluster_change)(item(e, i))
		change := Change{IsDeleted: row.is_deleted != 0, Now: keyAt(&row.now)}
		if row.has_before != 0 {
			change.Before = keyAt(&row.before)
		}
		batch.Changes[i] = change
	}
	return batch
}
