package cluster

// #include "shim.h"
import "C"

import (
	"context"
	"sync"
	"time"
	"unsafe"
)

// LockOptions of locks and elections.
type LockOptions struct {
	TTL      time.Duration // What others wait for when a holder dies; 0: ten seconds.
	Patience time.Duration // Of waiting for one's turn; 0: as long as the context has.
	IsShared bool          // Of a lock: any number may hold it together.
}

// Lock that is held, or an election that was won.
type Lock struct {
	// Grows from holder to holder: give it to what you act on, which refuses older ones.
	Token uint64
	// Of further keys that are to go with it.
	Lease uint64

	registry *Registry
	ctx      context.Context
	cancel   context.CancelFunc
	isLost   chan struct{} // Closed when it is lost.

	mutex sync.RWMutex
	lock  *C.cluster_lock
}

// Context is the one that it was asked for with, and ends when this process must stop acting by the
// lock: it is lost, given up, or its registry is closed.
func (l *Lock) Context() context.Context { return l.ctx }

// Lost is closed when the lease has ended, or could have.
func (l *Lock) Lost() <-chan struct{} { return l.isLost }

// Release gives it up.
func (l *Lock) Release(ctx context.Context) error {
	l.cancel()
	_, err := l.registry.number(ctx, write, func(tag C.uint64_t) C.told {
		l.mutex.RLock()
		defer l.mutex.RUnlock()
		if l.lock == nil {
			return C.told{code: C.CLUSTER_E_CLOSED}
		}
		return C.shim_lock_release(l.lock, tag)
	})
	l.Close()
	return err
}

// Close gives it up where it is still held, and does not wait.
func (l *Lock) Close() error {
	l.cancel()
	l.mutex.Lock()
	lock := l.lock
	l.lock = nil
	l.mutex.Unlock()
	if lock != nil {
		l.registry.removeInner(l)
		C.cluster_lock_close(lock)
	}
	return nil
}

// Lock waits for its turn, in the order of asking.
func (k Keys) Lock(ctx context.Context, name string, options LockOptions) (*Lock, error) {
	return k.turn(ctx, func(memory *arena, tag C.uint64_t) C.told {
		return C.shim_registry_lock(k.registry.raw(), memory.chars(name), milliseconds(options.TTL),
			milliseconds(options.Patience), flag(options.IsShared), k.asked(ctx), tag)
	})
}

// Campaign waits until this process leads. Leader tells others the value.
func (k Keys) Campaign(ctx context.Context, name string, value []byte, options LockOptions) (*Lock,
	error) {
	return k.turn(ctx, func(memory *arena, tag C.uint64_t) C.told {
		return C.shim_registry_elect(k.registry.raw(), memory.chars(name), startOf(value),
			C.size_t(len(value)), milliseconds(options.TTL), milliseconds(options.Patience),
			k.asked(ctx), tag)
	})
}

func (k Keys) turn(ctx context.Context, ask func(memory *arena, tag C.uint64_t) C.told) (*Lock, error) {
	var memory arena
	defer memory.free()
	var lock *Lock
	c := &call{end: make(chan struct{}, 1)}
	c.decode = func(e *event) { lock = k.registry.held(ctx, e) }
	c.give = func() { lock.Close() }
	err := k.registry.runtime.do(ctx, write, c, func(tag C.uint64_t) C.told {
		return k.registry.with(func() C.told { return ask(&memory, tag) })
	}, func(tag C.uint64_t) {
		refusal(k.registry.with(func() C.told {
			return C.shim_registry_cancel(k.registry.raw(), tag)
		}))
	})
	if err != nil {
		return nil, err
	}
	if !k.registry.addInner(lock) {
		lock.Close()
		return nil, errClosed
	}
	return lock, nil
}

func (r *Registry) held(ctx context.Context, e *event) *Lock {
	lock := &Lock{Token: uint64(e.a), Lease: uint64(e.b), registry: r,
		isLost: make(chan struct{}), lock: (*C.cluster_lock)(unsafe.Pointer(e.handle))}
	lock.ctx, lock.cancel = context.WithCancel(ctx)
	// It is given up or lost, or, of an error, its registry was closed: this ends, once, anyhow.
	loss := &call{decode: func(*event) {}, state: callAbandoned}
	loss.over = func() {
		close(lock.isLost)
		lock.cancel()
	}
	tag := r.runtime.calls.add(loss)
	refusal(C.shim_lock_loss(lock.lock, C.uint64_t(tag)))
	return lock
}

// Leader is who leads an election.
type Leader struct {
	Value []byte
	Token uint64 // 0: nobody leads.
}

// Leader of an election, if there is one now.
func (k Keys) Leader(ctx context.Context, name string) (Leader, error) {
	var memory arena
	defer memory.free()
	text := memory.chars(name)
	keys, err := valueOf(&k.registry.replica, ctx, read, keysOf, func(tag C.uint64_t) C.told {
		return C.shim_registry_leader(k.registry.raw(), text, k.asked(ctx), tag)
	})
	if err != nil || len(keys) == 0 {
		return Leader{}, err
	}
	return Leader{keys[0].Value, keys[0].Modified}, nil
}

// WhileHolding waits for the lock, calls `body`, and gives it up. The body's context ends when the
// lock is lost: then the result is ErrLeaseLost, unless the body made an error of its own.
func (k Keys) WhileHolding(ctx context.Context, name string, options LockOptions,
	body func(ctx context.Context, lock *Lock) error) error {
	lock, err := k.Lock(ctx, name, options)
	if err != nil {
		return err
	}
	return lock.during(body)
}

// WhileLeading does the same with an election.
func (k Keys) WhileLeading(ctx context.Context, name string, value []byte, options LockOptions,
	body func(ctx context.Context, term *Lock) error) error {
	term, err := k.Campaign(ctx, name, value, options)
	if err != nil {
		return err
	}
	return term.during(body)
}

func (l *Lock) during(body func(ctx context.Context, lock *Lock) error) error {
	defer l.Close() // Of a panic, too.
	err := body(l.ctx, l)
	l.mutex.RLock()
	isGivenUp := l.lock == nil
	l.mutex.RUnlock()
	if isGivenUp {
		return err
	}
	select {
	case <-l.isLost:
		if err == nil || l.ctx.Err() != nil && err == l.ctx.Err() {
			return ErrLeaseLost
		}
		return err
	default:
	}
	// The caller's context may have ended: to give up is still worth a moment.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if released := l.Release(ctx); err == nil {
		err = released
	}
	return err
}
