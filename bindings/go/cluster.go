// Package cluster lets copies of a program agree on a replicated log, share keys, hold locks and
// elect leaders among themselves, with nothing installed beside them.
//
//	runtime, err := cluster.NewRuntime(cluster.RuntimeOptions{Insecure: true})
//	...
//	defer runtime.Close()
//	registry, err := runtime.OpenRegistry(cluster.Options{Directory: "data", Cluster: 7, Self: 1,
//		Members: map[uint64]string{1: "10.0.0.1:7400", 2: "10.0.0.2:7400", 3: "10.0.0.3:7400"}})
//	...
//	_, err = registry.Put(ctx, "config/limit", []byte("8"))
//	err = registry.WhileLeading(ctx, "nightly", nil, func(ctx context.Context, term *cluster.Lock) error {
//		return nightly(ctx, term.Token) // One copy in the whole cluster is in here.
//	})
//
// Contexts: a call ends when its context does. A deadline goes to the library too, which then says
// what it knows of the outcome; without one the log's RequestTimeout counts. A write whose context
// has ended may take effect all the same: MayHaveBeenApplied tells of an error.
//
// Errors: errors.Is(err, cluster.ErrTimedOut), and so on; errors.As(err, &failure) with a
// *cluster.Error has the sentence that says what would be right. Where a context has ended,
// errors.Is(err, context.Canceled) holds, too.
//
// Goroutines: each Runtime has one, which takes what the library has to tell, 256 events a call, and
// is parked meanwhile with no thread of its own. A call has none. Watches and followers have one
// each, until their context ends.
//
// It is cgo over libcluster.so.1, found by pkg-config: CGO_ENABLED=1 and a C compiler are needed.
package cluster

// #cgo pkg-config: cluster
// #include "shim.h"
import "C"

import (
	"context"
	"math"
	"time"
	"unsafe"
)

// What this package was written for. The library's may be newer.
const abiVersion = C.CLUSTER_ABI_VERSION

// Where a slice or string begins, for a call that copies it.
func startOf(data []byte) unsafe.Pointer {
	if len(data) == 0 {
		return nil
	}
	return unsafe.Pointer(&data[0])
}

func startOfText(text string) unsafe.Pointer {
	if len(text) == 0 {
		return nil
	}
	return *(*unsafe.Pointer)(unsafe.Pointer(&text)) // A string begins with its pointer.
}

func bytesAt(data unsafe.Pointer, size C.size_t) []byte {
	if size == 0 {
		return []byte{}
	}
	return append(make([]byte, 0, int(size)), unsafe.Slice((*byte)(data), int(size))...)
}

func textAt(data unsafe.Pointer, size C.size_t) string {
	if size == 0 {
		return ""
	}
	return string(unsafe.Slice((*byte)(data), int(size)))
}

func flag(is bool) C.int32_t {
	if is {
		return 1
	}
	return 0
}

// A time as the library takes it: 0 is its default, and a time that is over must not read as that.
func milliseconds(given time.Duration) C.int64_t {
	if given <= 0 {
		return 0
	}
	if given < time.Millisecond {
		return 1
	}
	return C.int64_t(given / time.Millisecond)
}

func askedWith(ctx context.Context) C.asked {
	deadline, has := ctx.Deadline()
	if !has {
		return C.asked{}
	}
	left := time.Until(deadline)
	if left <= 0 {
		left = 1
	}
	return C.asked{timeout_ms: milliseconds(left)}
}

// Memory of C that arguments of pointers to pointers are built in.
type arena struct {
	blocks []unsafe.Pointer
	at     unsafe.Pointer
	left   uintptr
}

func (a *arena) take(size uintptr) unsafe.Pointer {
	size = (size + 7) &^ 7
	if size > a.left {
		block := size
		if block < 4096 {
			block = 4096
		}
		a.at = C.calloc(1, C.size_t(block))
		a.left = block
		a.blocks = append(a.blocks, a.at)
	}
	taken := a.at
	a.left -= size
	if a.left > 0 {
		a.at = unsafe.Add(a.at, size)
	}
	return taken
}

func (a *arena) slice(data unsafe.Pointer, size int) C.cluster_slice {
	if size == 0 {
		return C.cluster_slice{}
	}
	if size > math.MaxInt32 {
		size = math.MaxInt32 // Refused as too large by far.
	}
	to := a.take(uintptr(size))
	copy(unsafe.Slice((*byte)(to), size), unsafe.Slice((*byte)(data), size))
	return C.cluster_slice{data: to, size: C.size_t(size)}
}

func (a *arena) bytes(data []byte) C.cluster_slice { return a.slice(startOf(data), len(data)) }

func (a *arena) text(text string) C.cluster_slice { return a.slice(startOfText(text), len(text)) }

// With a closing 0; nil for "".
func (a *arena) chars(text string) *C.char {
	if text == "" {
		return nil
	}
	to := a.take(uintptr(len(text)) + 1)
	copy(unsafe.Slice((*byte)(to), len(text)), text)
	return (*C.char)(to)
}

func (a *arena) free() {
	for _, block := range a.blocks {
		C.free(block)
	}
}
