package cluster

// #include "shim.h"
import "C"

import (
	"context"
	"sync"
	"sync/atomic"
	"unsafe"
)

type event = C.cluster_event

// What waits for events, by their tag.
type callTable struct {
	mutex   sync.Mutex
	next    uint64
	calls   map[uint64]*call        // One event each.
	streams map[uint64]func(*event) // Any number.
	batch   []taken                 // Of the one that delivers.
}

type taken struct {
	call   *call
	stream func(*event)
}

// A call that is under way. Whoever waits for it may go away: then its event is still taken, since
// it may carry a handle.
type call struct {
	state  int32         // callWaiting, then one of the others.
	end    chan struct{} // Has room for one.
	decode func(*event)  // Nil: a number is expected.
	give   func()        // Ends what `decode` has made, where nobody takes it.
	over   func()        // Called at the end, where nobody waits.
	number uint64
	err    error
}

const (
	callWaiting = iota
	callEnded
	callAbandoned
)

var callPool = sync.Pool{New: func() any { return &call{end: make(chan struct{}, 1)} }}

func (t *callTable) init() {
	t.calls = map[uint64]*call{}
	t.streams = map[uint64]func(*event){}
}

func (t *callTable) add(c *call) uint64 {
	t.mutex.Lock()
	t.next++
	tag := t.next
	t.calls[tag] = c
	t.mutex.Unlock()
	return tag
}

func (t *callTable) addStream(handler func(*event)) uint64 {
	t.mutex.Lock()
	t.next++
	tag := t.next
	t.streams[tag] = handler
	t.mutex.Unlock()
	return tag
}

func (t *callTable) remove(tag uint64) {
	t.mutex.Lock()
	delete(t.calls, tag)
	delete(t.streams, tag)
	t.mutex.Unlock()
}

// By one goroutine. Handlers run without the lock, in the order of events.
func (t *callTable) deliver(events []event) {
	t.batch = t.batch[:0]
	t.mutex.Lock()
	for i := range events {
		tag := uint64(events[i].tag)
		one := taken{call: t.calls[tag]}
		if one.call != nil {
			delete(t.calls, tag)
		} else {
			one.stream = t.streams[tag]
		}
		t.batch = append(t.batch, one)
	}
	t.mutex.Unlock()
	for i := range events {
		if one := &t.batch[i]; one.call != nil {
			one.call.take(&events[i])
		} else if one.stream != nil {
			one.stream(&events[i])
		}
		t.batch[i] = taken{}
	}
}

// After the library has ended: nothing else comes.
func (t *callTable) endAll() {
	t.mutex.Lock()
	calls := t.calls
	t.init()
	t.mutex.Unlock()
	for _, c := range calls {
		c.err = errClosed
		c.finish()
	}
}

func (c *call) take(e *event) {
	if e.error != 0 {
		c.err = failureOf(e)
	} else if c.decode != nil {
		c.decode(e)
	} else {
		c.number = uint64(e.a)
	}
	c.finish()
}

func (c *call) finish() {
	if atomic.CompareAndSwapInt32(&c.state, callWaiting, callEnded) {
		c.end <- struct{}{}
	} else if c.over != nil {
		c.over()
	} else if c.err == nil && c.give != nil {
		c.give()
	}
}

func failureOf(e *event) *Error {
	failure := &Error{Code: Code(e.error), Message: textAt(unsafe.Pointer(e.items), e.item_count),
		MayHaveBeenApplied: e.outcome == C.CLUSTER_MAYBE}
	if e.kind == C.CLUSTER_EVENT_WATCH_END {
		failure.ResumeFrom = uint64(e.b)
	}
	return failure
}

// Item `i` of an event: their size may have grown.
func item(e *event, i int) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(e.items), uintptr(i)*uintptr(e.item_size))
}

// How a call is made: reads are never applied, whatever becomes of them.
type kind bool

const (
	read  kind = false
	write kind = true
)

// Waits for the event of a call that has begun. False: it was abandoned, and the event is another's
// to take.
func (c *call) wait(ctx context.Context) bool {
	select {
	case <-c.end:
		return true
	case <-ctx.Done():
		if atomic.CompareAndSwapInt32(&c.state, callWaiting, callAbandoned) {
			return false
		}
		<-c.end // It came at the same time.
		return true
	}
}

// Begins a call, by `begin`, and waits for its event. `abandon` may be nil; it is told the tag where
// the context ended first.
func (r *Runtime) do(ctx context.Context, how kind, c *call, begin func(tag C.uint64_t) C.told,
	abandon func(tag C.uint64_t)) error {
	if ctx.Err() != nil {
		return contextEnded(ctx, false)
	}
	tag := r.calls.add(c)
	if err := refusal(begin(C.uint64_t(tag))); err != nil {
		r.calls.remove(tag)
		return err
	}
	if !c.wait(ctx) {
		if abandon != nil {
			abandon(C.uint64_t(tag))
		}
		return contextEnded(ctx, bool(how))
	}
	return c.err
}

// A call that yields a number.
func (r *Runtime) number(ctx context.Context, how kind,
	begin func(tag C.uint64_t) C.told) (uint64, error) {
	c := callPool.Get().(*call)
	*c = call{end: c.end}
	err := r.do(ctx, how, c, begin, nil)
	if atomic.LoadInt32(&c.state) != callEnded { // Whoever delivers has it still.
		return 0, err
	}
	number := c.number
	callPool.Put(c)
	return number, err
}

// A call that yields what `decode` makes of its event, before the next one is taken.
func value[T any](r *Runtime, ctx context.Context, how kind, decode func(*event) T,
	begin func(tag C.uint64_t) C.told) (T, error) {
	var made T
	c := &call{end: make(chan struct{}, 1)}
	c.decode = func(e *event) { made = decode(e) }
	if err := r.do(ctx, how, c, begin, nil); err != nil {
		var none T
		return none, err
	}
	return made, nil
}
