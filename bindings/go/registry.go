package cluster

// #include "shim.h"
import "C"

import (
	"context"
	"time"
	"unsafe"
)

// Registry is shared keys at every member, on a log of their own. Any member takes any call.
type Registry struct {
	replica
	Keys // Of no namespace.
}

// Keys of one namespace. Reads are linearizable, but for those of Local.
type Keys struct {
	registry *Registry
	space    string
	isLocal  bool
}

// KeyValue is a key as it is at some revision. Of a key that is not there all but Key is zero.
type KeyValue struct {
	Key      string
	Value    []byte
	Created  uint64 // Revisions: of its creation,
	Modified uint64 // and of its last change.
	Version  uint64 // How often it was put since its creation; 0: it is not there.
	Lease    uint64 // 0: none.
}

// Exists tells whether the key is there.
func (k KeyValue) Exists() bool { return k.Version != 0 }

// Range of keys. Make one with Key, Prefix, Between or From.
type Range struct {
	kind       C.int32_t
	begin, end string
}

// Key is that key alone.
func Key(key string) Range { return Range{C.CLUSTER_RANGE_KEY, key, ""} }

// Prefix is all keys that start so; "" is all.
func Prefix(prefix string) Range { return Range{C.CLUSTER_RANGE_PREFIX, prefix, ""} }

// Between is [begin, end).
func Between(begin, end string) Range { return Range{C.CLUSTER_RANGE_BETWEEN, begin, end} }

// From is all keys from `begin` on.
func From(begin string) Range { return Range{C.CLUSTER_RANGE_FROM, begin, ""} }

func (r Range) parts() (kind C.int32_t, begin unsafe.Pointer, beginSize C.size_t,
	end unsafe.Pointer, endSize C.size_t) {
	return r.kind, startOfText(r.begin), C.size_t(len(r.begin)), startOfText(r.end),
		C.size_t(len(r.end))
}

// RangeOptions of a read. All zero: the newest, up to 1 MiB.
type RangeOptions struct {
	At        uint64 // Revision.
	Limit     uint64 // Keys.
	BytesMax  uint64
	KeysOnly  bool
	CountOnly bool
}

// RangeResult is what was read. Where it HasMore, go on From the last key and a zero byte.
type RangeResult struct {
	Keys     []KeyValue
	Count    uint64 // In the whole range.
	HasMore  bool
	Revision uint64
}

// OpenRegistry opens the replica of shared keys in the options' directory.
func (r *Runtime) OpenRegistry(options Options) (*Registry, error) {
	if options.Machine != nil {
		return nil, &Error{Code: ErrInvalidArgument, Message: "a registry is its own state machine: " +
			"leave Options.Machine nil, or open a log"}
	}
	registry := &Registry{}
	registry.init(r)
	registry.Keys = Keys{registry: registry}
	if err := r.add(registry, func() error { return registry.open(options) }); err != nil {
		return nil, err
	}
	return registry, nil
}

func (r *Registry) open(options Options) error {
	var memory arena
	defer memory.free()
	given := (*C.cluster_log_options)(memory.take(C.sizeof_cluster_log_options))
	if err := options.fill(&memory, given); err != nil {
		return err
	}
	var out *C.cluster_registry
	if err := refusal(C.shim_registry_open(r.runtime.runtime, given, &out)); err != nil {
		return err
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.handle, r.log = unsafe.Pointer(out), C.cluster_registry_log(out)
	return nil
}

// Close ends the replica, its watches and what is held of its locks; calls that are under way
// return ErrClosed. It can be opened again.
func (r *Registry) Close() error {
	r.close(r, func(handle unsafe.Pointer) {
		C.cluster_registry_close((*C.cluster_registry)(handle))
	})
	return nil
}

// To be used within `with` or `number`.
func (r *Registry) raw() *C.cluster_registry { return (*C.cluster_registry)(r.handle) }

// Space is the keys of a namespace, which SetNamespace has made.
func (k Keys) Space(name string) Keys {
	k.space = name
	return k
}

// Local reads what this member knows, without asking: it may be old.
func (k Keys) Local() Keys {
	k.isLocal = true
	return k
}

func (k Keys) asked(ctx context.Context) C.asked {
	how := askedWith(ctx)
	how.is_local = flag(k.isLocal)
	how.space, how.space_size = startOfText(k.space), C.size_t(len(k.space))
	return how
}

func keyAt(row *C.cluster_key_value) KeyValue {
	return KeyValue{textAt(row.key.data, row.key.size), bytesAt(row.value.data, row.value.size),
		uint64(row.created), uint64(row.modified), uint64(row.version), uint64(row.lease)}
}

func keysOf(e *event) []KeyValue {
	keys := make([]KeyValue, int(e.item_count))
	for i := range keys {
		keys[i] = keyAt((*C.cluster_key_value)(item(e, i)))
	}
	return keys
}

// Get yields the key; of one that is not there, one that does not Exist.
func (k Keys) Get(ctx context.Context, key string) (KeyValue, error) {
	keys, err := valueOf(&k.registry.replica, ctx, read, keysOf, func(tag C.uint64_t) C.told {
		return C.shim_registry_get(k.registry.raw(), startOfText(key), C.size_t(len(key)),
			k.asked(ctx), tag)
	})
	if err != nil || len(keys) == 0 {
		return KeyValue{Key: key}, err
	}
	return keys[0], nil
}

// Range yields keys in their order.
func (k Keys) Range(ctx context.Context, keys Range, options RangeOptions) (RangeResult, error) {
	what := C.cluster_read_options{at: C.uint64_t(options.At), limit: C.uint64_t(options.Limit),
		bytes_max: C.uint64_t(options.BytesMax), keys_only: flag(options.KeysOnly),
		count_only: flag(options.CountOnly)}
	if what.bytes_max == 0 {
		what.bytes_max = 1 << 20
	}
	kind, begin, beginSize, end, endSize := keys.parts()
	result := func(e *event) RangeResult {
		return RangeResult{keysOf(e), uint64(e.b), e.flags&C.CLUSTER_FLAG_MORE != 0, uint64(e.a)}
	}
	return valueOf(&k.registry.replica, ctx, read, result, func(tag C.uint64_t) C.told {
		return C.shim_registry_range(k.registry.raw(), kind, begin, beginSize, end, endSize, what,
			k.asked(ctx), tag)
	})
}

// Put yields the revision of the change.
func (k Keys) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	return k.PutLeased(ctx, key, value, 0)
}

// PutLeased puts a key that goes when the lease does.
func (k Keys) PutLeased(ctx context.Context, key string, value []byte, lease uint64) (uint64, error) {
	return k.registry.number(ctx, write, func(tag C.uint64_t) C.told {
		return C.shim_registry_put(k.registry.raw(), startOfText(key), C.size_t(len(key)),
			startOf(value), C.size_t(len(value)), C.uint64_t(lease), k.asked(ctx), tag)
	})
}

// Delete yields how many keys were deleted.
func (k Keys) Delete(ctx context.Context, keys Range) (uint64, error) {
	kind, begin, beginSize, end, endSize := keys.parts()
	return k.registry.number(ctx, write, func(tag C.uint64_t) C.told {
		return C.shim_registry_erase(k.registry.raw(), kind, begin, beginSize, end, endSize,
			k.asked(ctx), tag)
	})
}

// Lease of a registry: when it ends, the keys that were put with it go.
type Lease struct {
	ID  uint64
	TTL time.Duration
}

// GrantLease grants one that is renewed here until it is revoked or the registry is closed.
func (r *Registry) GrantLease(ctx context.Context, ttl time.Duration) (Lease, error) {
	return r.grant(ctx, ttl, true)
}

// GrantUnkeptLease grants one that is the caller's to renew.
func (r *Registry) GrantUnkeptLease(ctx context.Context, ttl time.Duration) (Lease, error) {
	return r.grant(ctx, ttl, false)
}

func (r *Registry) grant(ctx context.Context, ttl time.Duration, isKept bool) (Lease, error) {
	lease := func(e *event) Lease {
		return Lease{uint64(e.a), time.Duration(e.b) * time.Millisecond}
	}
	return valueOf(&r.replica, ctx, write, lease, func(tag C.uint64_t) C.told {
		return C.shim_registry_grant_lease(r.raw(), milliseconds(ttl), flag(isKept), askedWith(ctx), tag)
	})
}

// RenewLease returns ErrNotFound where it has ended.
func (r *Registry) RenewLease(ctx context.Context, lease uint64) error {
	_, err := r.number(ctx, write, func(tag C.uint64_t) C.told {
		return C.shim_registry_renew_lease(r.raw(), C.uint64_t(lease), askedWith(ctx), tag)
	})
	return err
}

// RevokeLease ends a lease, and yields the revision in which its keys went.
func (r *Registry) RevokeLease(ctx context.Context, lease uint64) (uint64, error) {
	return r.number(ctx, write, func(tag C.uint64_t) C.told {
		return C.shim_registry_revoke_lease(r.raw(), C.uint64_t(lease), askedWith(ctx), tag)
	})
}

// WaitForLoss returns nil when this process must stop acting by a lease that is kept here, and
// ErrNotFound of one that is not, or has ended before.
func (r *Registry) WaitForLoss(ctx context.Context, lease uint64) error {
	_, err := r.number(ctx, read, func(tag C.uint64_t) C.told {
		return C.shim_registry_lease_loss(r.raw(), C.uint64_t(lease), tag)
	})
	return err
}

// Compact forgets what was before the revision.
func (r *Registry) Compact(ctx context.Context, revision uint64) error {
	_, err := r.number(ctx, write, func(tag C.uint64_t) C.told {
		return C.shim_registry_compact(r.raw(), C.uint64_t(revision), askedWith(ctx), tag)
	})
	return err
}

// SetNamespace makes or changes a namespace; 0: no limit.
func (r *Registry) SetNamespace(ctx context.Context, name string, keysMax, bytesMax uint64) error {
	_, err := r.number(ctx, write, func(tag C.uint64_t) C.told {
		return C.shim_registry_set_namespace(r.raw(), startOfText(name), C.size_t(len(name)),
			C.uint64_t(keysMax), C.uint64_t(bytesMax), askedWith(ctx), tag)
	})
	return err
}
