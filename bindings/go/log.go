package cluster

// #include "shim.h"
import "C"

import (
	"context"
	"sync"
	"unsafe"
)

// Log is this process' replica of one ordered history that a majority of its members keeps on disk.
type Log struct {
	replica
	machine  StateMachine
	restored []byte // What has come of a snapshot.
	tag      uint64 // Of the machine's events.
}

// Entry of a log.
type Entry struct {
	Position uint64
	Data     []byte
}

// StateMachine is what a program builds on a log: the same state at every member, from the same
// entries.
//
// Its methods are called one at a time, by the goroutine that takes the runtime's events: they must
// not wait for calls on the same Runtime, and entries must have no other effect than on the state.
// An error stops this replica: its calls return that error from then on.
type StateMachine interface {
	// Apply is given entries in order, each once.
	Apply(entries []Entry) error
	// Snapshot is the state, for members that are far behind and for restarts.
	Snapshot() ([]byte, error)
	// Restore replaces the state.
	Restore(snapshot []byte) error
}

// OpenLog opens the replica in the options' directory, which is made for one member of one cluster.
func (r *Runtime) OpenLog(options Options) (*Log, error) {
	log := &Log{machine: options.Machine}
	log.init(r)
	if err := r.add(log, func() error { return log.open(options) }); err != nil {
		return nil, err
	}
	return log, nil
}

func (l *Log) open(options Options) error {
	var memory arena
	defer memory.free()
	given := (*C.cluster_log_options)(memory.take(C.sizeof_cluster_log_options))
	if err := options.fill(&memory, given); err != nil {
		return err
	}
	l.mutex.Lock() // A snapshot is answered when it is open.
	defer l.mutex.Unlock()
	if l.machine != nil {
		l.tag = l.runtime.calls.addStream(l.onMachine)
		given.has_state_machine = 1
		given.machine_tag = C.uint64_t(l.tag)
	}
	var out *C.cluster_log
	if err := refusal(C.shim_log_open(l.runtime.runtime, given, &out)); err != nil {
		l.runtime.calls.remove(l.tag)
		return err
	}
	l.handle, l.log = unsafe.Pointer(out), out
	return nil
}

// Close ends the replica; calls that are under way return ErrClosed. It can be opened again.
func (l *Log) Close() error {
	l.close(l, func(handle unsafe.Pointer) { C.cluster_log_close((*C.cluster_log)(handle)) })
	if l.tag != 0 {
		l.runtime.calls.remove(l.tag)
	}
	return nil
}

func (l *Log) onMachine(e *event) {
	if l.failure.Load() != nil {
		return
	}
	if err := l.tellMachine(e); err != nil {
		l.failure.Store(failed{err})
		go l.Close() // It waits for what is under way, which may wait for this goroutine.
	}
}

func (l *Log) tellMachine(e *event) error {
	switch e.kind {
	case C.CLUSTER_EVENT_APPLY:
		return l.machine.Apply(entriesOf(e))
	case C.CLUSTER_EVENT_RESTORE:
		if e.item_count > 0 {
			part := unsafe.Slice((*byte)(unsafe.Pointer(e.items)), int(e.item_count))
			l.restored = append(l.restored, part...)
		}
		if e.flags&C.CLUSTER_FLAG_LAST == 0 {
			return nil
		}
		whole := l.restored
		l.restored = nil
		return l.machine.Restore(whole)
	case C.CLUSTER_EVENT_SNAPSHOT:
		state, err := l.machine.Snapshot()
		code := C.int32_t(C.CLUSTER_OK)
		if err != nil {
			code = C.CLUSTER_E_FAILED
		}
		// A log that is being closed wants none any more.
		refusal(l.with(func() C.told {
			return C.shim_snapshot_write(l.log, e.a, startOf(state), C.size_t(len(state)))
		}))
		refusal(l.with(func() C.told { return C.shim_snapshot_end(l.log, e.a, code) }))
		return err
	}
	return nil
}

// All of a batch lie in one piece of memory.
func entriesOf(e *event) []Entry {
	entries := make([]Entry, int(e.item_count))
	total := 0
	for i := range entries {
		total += int((*C.cluster_entry)(item(e, i)).data.size)
	}
	room := make([]byte, 0, total)
	for i := range entries {
		row := (*C.cluster_entry)(item(e, i))
		start := len(room)
		if row.data.size > 0 {
			room = append(room, unsafe.Slice((*byte)(row.data.data), int(row.data.size))...)
		}
		entries[i] = Entry{uint64(row.position), room[start:len(room):len(room)]}
	}
	return entries
}

// Append yields the entry's position once a majority has it on disk.
func (l *Log) Append(ctx context.Context, data []byte) (uint64, error) {
	return l.number(ctx, write, func(tag C.uint64_t) C.told {
		return C.shim_log_append(l.log, startOf(data), C.size_t(len(data)), askedWith(ctx), tag)
	})
}

// AppendAll appends entries as one group, and yields their positions.
func (l *Log) AppendAll(ctx context.Context, entries [][]byte) ([]uint64, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	var memory arena
	defer memory.free()
	given := (*C.cluster_slice)(memory.take(uintptr(len(entries)) * C.sizeof_cluster_slice))
	slices := unsafe.Slice(given, len(entries))
	for i, data := range entries {
		slices[i] = memory.bytes(data)
	}
	positions := func(e *event) []uint64 {
		found := make([]uint64, int(e.item_count))
		for i := range found {
			found[i] = uint64(*(*C.uint64_t)(item(e, i)))
		}
		return found
	}
	return valueOf(&l.replica, ctx, write, positions, func(tag C.uint64_t) C.told {
		return C.shim_log_append_all(l.log, given, C.size_t(len(entries)), askedWith(ctx), tag)
	})
}

// Pending is an append that is under way.
type Pending struct {
	log  *Log
	call *call
	once sync.Once
}

// StartAppend is under way when it returns: entries are chosen in the order of such calls. The
// context's deadline counts; its end does not take the entry back. Wait for what it yields, or
// leave it.
func (l *Log) StartAppend(ctx context.Context, data []byte) (*Pending, error) {
	if ctx.Err() != nil {
		return nil, contextEnded(ctx, false)
	}
	pending := &Pending{log: l, call: &call{end: make(chan struct{}, 1)}}
	tag := l.runtime.calls.add(pending.call)
	err := refusal(l.with(func() C.told {
		return C.shim_log_append(l.log, startOf(data), C.size_t(len(data)), askedWith(ctx),
			C.uint64_t(tag))
	}))
	if err != nil {
		l.runtime.calls.remove(tag)
		return nil, l.explain(err)
	}
	return pending, nil
}

// Wait yields the position. Any number may wait, and again after a context has ended.
func (p *Pending) Wait(ctx context.Context) (uint64, error) {
	select {
	case <-p.call.end:
		p.once.Do(func() { close(p.call.end) }) // For who waits, too.
		return p.call.number, p.log.explain(p.call.err)
	case <-ctx.Done():
		return 0, contextEnded(ctx, true)
	}
}

// Read yields entries of [from, to): at most so many bytes, but one where there is one.
func (l *Log) Read(ctx context.Context, from, to uint64, bytesMax int) ([]Entry, error) {
	return valueOf(&l.replica, ctx, read, entriesOf, func(tag C.uint64_t) C.told {
		return C.shim_log_read(l.log, C.uint64_t(from), C.uint64_t(to), C.size_t(bytesMax),
			askedWith(ctx), tag)
	})
}

// CatchUp waits for all that was chosen when it was called: positions [first, end) are here then.
func (l *Log) CatchUp(ctx context.Context) (first, end uint64, err error) {
	reached, err := valueOf(&l.replica, ctx, read,
		func(e *event) [2]uint64 { return [2]uint64{uint64(e.a), uint64(e.b)} },
		func(tag C.uint64_t) C.told { return C.shim_log_catch_up(l.log, askedWith(ctx), tag) })
	return reached[0], reached[1], err
}

// Truncate forgets what is before `to`, at every member, and yields the first position that is
// kept.
func (l *Log) Truncate(ctx context.Context, to uint64) (uint64, error) {
	return l.number(ctx, write, func(tag C.uint64_t) C.told {
		return C.shim_log_truncate(l.log, C.uint64_t(to), askedWith(ctx), tag)
	})
}

// TakeSnapshot asks the state machine for one now.
func (l *Log) TakeSnapshot(ctx context.Context) (uint64, error) {
	return l.number(ctx, read, func(tag C.uint64_t) C.told {
		return C.shim_log_take_snapshot(l.log, askedWith(ctx), tag)
	})
}

// ReadBarrier waits until the state machine has applied all that was chosen, anywhere, when it was
// called: what is read of it then is linearizable.
func (l *Log) ReadBarrier(ctx context.Context) (uint64, error) {
	return l.number(ctx, read, func(tag C.uint64_t) C.told {
		return C.shim_log_read_barrier(l.log, askedWith(ctx), tag)
	})
}

// Follower tells entries in order, each once. Its channel is closed when the context ends, or the
// log; Err says which.
type Follower struct {
	C   <-chan Entry
	err error
}

// Err is why the channel was closed. To be asked after that.
func (f *Follower) Err() error { return f.err }

// Follow tells entries from `from` on; 1 is the first there ever was.
func (l *Log) Follow(ctx context.Context, from uint64) *Follower {
	to := make(chan Entry, 256)
	f := &Follower{C: to}
	go func() {
		defer close(to)
		for f.err == nil {
			from, f.err = l.followOnce(ctx, from, to)
		}
	}()
	return f
}

func (l *Log) followOnce(ctx context.Context, from uint64, to chan<- Entry) (uint64, error) {
	end, err := l.number(ctx, read, func(tag C.uint64_t) C.told {
		return C.shim_log_wait(l.log, C.uint64_t(from), tag)
	})
	for err == nil && from < end {
		var entries []Entry
		if entries, err = l.Read(ctx, from, end, 1<<20); err != nil {
			break
		}
		if len(entries) == 0 {
			return end, nil // What is there is none of the program's.
		}
		for _, entry := range entries {
			select {
			case to <- entry:
				from = entry.Position + 1
			case <-ctx.Done():
				return from, contextEnded(ctx, false)
			}
		}
	}
	return from, err
}

// Writer is the only one from its start until a newer one is started: then its appends fail with
// ErrFenced.
type Writer struct {
	log    *Log
	Term   uint64
	mutex  sync.RWMutex
	writer *C.cluster_writer
}

// StartWriter fences all older writers.
func (l *Log) StartWriter(ctx context.Context) (*Writer, error) {
	var writer *Writer
	c := &call{end: make(chan struct{}, 1)}
	c.decode = func(e *event) {
		writer = &Writer{log: l, Term: uint64(e.a), writer: (*C.cluster_writer)(e.handle)}
	}
	c.give = func() { writer.Close() }
	err := l.runtime.do(ctx, write, c, func(tag C.uint64_t) C.told {
		return l.with(func() C.told { return C.shim_log_start_writer(l.log, askedWith(ctx), tag) })
	}, nil)
	if err != nil {
		return nil, l.explain(err)
	}
	if !l.addInner(writer) {
		writer.Close()
		return nil, errClosed
	}
	return writer, nil
}

// Append as Log.Append does, unless a newer writer has been started.
func (w *Writer) Append(ctx context.Context, data []byte) (uint64, error) {
	return w.log.number(ctx, write, func(tag C.uint64_t) C.told {
		w.mutex.RLock()
		defer w.mutex.RUnlock()
		if w.writer == nil {
			return C.told{code: C.CLUSTER_E_CLOSED}
		}
		return C.shim_writer_append(w.writer, startOf(data), C.size_t(len(data)), askedWith(ctx), tag)
	})
}

// Close ends the writer. The log goes on.
func (w *Writer) Close() error {
	w.mutex.Lock()
	writer := w.writer
	w.writer = nil
	w.mutex.Unlock()
	if writer != nil {
		w.log.removeInner(w)
		C.cluster_writer_close(writer)
	}
	return nil
}
