package cluster

// #include "shim.h"
import "C"

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const eventsAtOnce = 256

// RuntimeOptions say how connections are secured: by PEM files, which are read again when they
// change, or Insecure for plain text.
type RuntimeOptions struct {
	Certificate string
	Key         string
	Authorities string
	Insecure    bool
}

// Runtime is the library's threads, network and certificates, of what is opened on it.
type Runtime struct {
	queue   *C.cluster_queue
	runtime *C.cluster_runtime
	poll    *os.File // Of the queue's descriptor.
	events  *C.cluster_event
	calls   callTable
	drained chan struct{} // Closed when the goroutine has ended.

	mutex    sync.Mutex
	parts    []closer // What is open, in the order of opening.
	opening  sync.WaitGroup
	isClosed bool
	closed   chan struct{} // Closed when all is.
}

type closer interface{ Close() error }

// NewRuntime starts one. Close it at the end.
func NewRuntime(options RuntimeOptions) (*Runtime, error) {
	if found := C.cluster_abi_version(); found < abiVersion {
		return nil, &Error{Code: ErrUnsupported, Message: fmt.Sprintf("libcluster.so.1 has ABI %d "+
			"and this package needs %d: install a newer libcluster", found, abiVersion)}
	}
	r := &Runtime{drained: make(chan struct{}), closed: make(chan struct{})}
	r.calls.init()
	if err := refusal(C.shim_queue_open(&r.queue)); err != nil {
		return nil, err
	}
	var memory arena
	defer memory.free()
	err := refusal(C.shim_runtime_open(r.queue, memory.chars(options.Certificate),
		memory.chars(options.Key), memory.chars(options.Authorities), flag(options.Insecure),
		&r.runtime))
	if err == nil {
		r.poll, err = pollable(int(C.cluster_queue_descriptor(r.queue)))
		if err != nil {
			C.cluster_runtime_close(r.runtime)
		}
	}
	if err != nil {
		C.cluster_queue_close(r.queue)
		return nil, err
	}
	r.events = (*C.cluster_event)(C.calloc(eventsAtOnce, C.sizeof_cluster_event))
	go r.run()
	return r, nil
}

// A descriptor of our own for Go to poll: the queue's is the queue's to close.
func pollable(descriptor int) (*os.File, error) {
	syscall.ForkLock.RLock()
	own, err := syscall.Dup(descriptor)
	if err == nil {
		syscall.CloseOnExec(own)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, &Error{Code: ErrOverloaded, Message: "no descriptor for a queue: " + err.Error()}
	}
	return os.NewFile(uintptr(own), "libcluster's queue"), nil
}

// Takes events until Close. The poller is told once for each time that the queue becomes non-empty,
// so all is taken before it is waited for again.
func (r *Runtime) run() {
	defer close(r.drained)
	raw, err := r.poll.SyscallConn()
	if err == nil {
		err = raw.Read(func(uintptr) bool {
			r.drain()
			return false
		})
	}
	r.drain() // Of what Close has ended.
}

func (r *Runtime) drain() {
	for {
		count := int(C.cluster_queue_next(r.queue, r.events, C.sizeof_cluster_event, eventsAtOnce, 0))
		if count <= 0 {
			return
		}
		r.calls.deliver(unsafe.Slice(r.events, count))
	}
}

// Opens a part, by `open`, unless all is closed.
func (r *Runtime) add(part closer, open func() error) error {
	r.mutex.Lock()
	if r.isClosed {
		r.mutex.Unlock()
		return errClosed
	}
	r.opening.Add(1)
	r.mutex.Unlock()
	defer r.opening.Done()
	if err := open(); err != nil {
		return err
	}
	r.mutex.Lock()
	r.parts = append(r.parts, part)
	r.mutex.Unlock()
	return nil
}

func (r *Runtime) remove(part closer) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for i, one := range r.parts {
		if one == part {
			r.parts = append(r.parts[:i], r.parts[i+1:]...)
			return
		}
	}
}

// Close closes what was opened on it, the newest first, and ends its threads. It waits for that,
// and is not to be called from a state machine.
func (r *Runtime) Close() error {
	r.mutex.Lock()
	isFirst := !r.isClosed
	r.isClosed = true
	r.mutex.Unlock()
	if !isFirst {
		<-r.closed
		return nil
	}
	r.opening.Wait()
	r.mutex.Lock()
	parts := append([]closer(nil), r.parts...)
	r.mutex.Unlock()
	for i := len(parts) - 1; i >= 0; i-- {
		parts[i].Close()
	}
	C.cluster_runtime_close(r.runtime)
	r.poll.SetReadDeadline(time.Unix(1, 0))
	<-r.drained
	r.calls.endAll()
	r.poll.Close()
	C.free(unsafe.Pointer(r.events))
	C.cluster_queue_close(r.queue)
	close(r.closed)
	return nil
}
