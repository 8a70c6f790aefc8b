package cluster

// #include "shim.h"
import "C"

import (
	"context"
	"sync"
)

// One stream of the library for any number of receivers, each of whom has the newest.
type feed[T any] struct {
	mutex     sync.Mutex
	tag       uint64 // 0: not asked for yet.
	hasLast   bool
	last      T
	receivers map[chan T]struct{}
}

func (f *feed[T]) watch(ctx context.Context, r *replica, decode func(*event) T,
	begin func(tag C.uint64_t) C.told) (<-chan T, error) {
	to := make(chan T, 1)
	f.mutex.Lock()
	if f.receivers == nil {
		f.receivers = map[chan T]struct{}{}
	}
	f.receivers[to] = struct{}{}
	if f.hasLast {
		to <- f.last
	}
	isFirst := f.tag == 0
	if isFirst {
		f.tag = r.runtime.calls.addStream(func(e *event) { f.tell(decode(e)) })
	}
	tag := f.tag
	f.mutex.Unlock()
	if isFirst {
		if err := refusal(r.with(func() C.told { return begin(C.uint64_t(tag)) })); err != nil {
			f.close(r.runtime)
			return nil, r.explain(err)
		}
	}
	go func() {
		select {
		case <-ctx.Done():
		case <-r.ending:
		}
		f.mutex.Lock()
		delete(f.receivers, to)
		f.mutex.Unlock()
		close(to) // Nobody tells it any more.
	}()
	return to, nil
}

func (f *feed[T]) tell(now T) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.hasLast, f.last = true, now
	for to := range f.receivers {
		select {
		case <-to: // Older, and not received.
		default:
		}
		to <- now
	}
}

func (f *feed[T]) close(runtime *Runtime) {
	f.mutex.Lock()
	tag := f.tag
	f.tag, f.hasLast = 0, false
	f.mutex.Unlock()
	if tag != 0 {
		runtime.calls.remove(tag)
	}
}
