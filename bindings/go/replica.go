package cluster

// #include "shim.h"
import "C"

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Options of a replica: of a log, or of a registry.
//
// Founders are all started with the same Cluster (any number) and Members (their numbers and
// addresses, "host:port"), and who they are; a newcomer gives Join, the token of AddMember. A
// restart needs the Directory alone, which is the authority.
type Options struct {
	Directory string
	Cluster   uint64
	Self      uint64
	Members   map[uint64]string
	Join      string
	Listen    string // Empty: the address that the members know.

	// Of a log: gets its entries. Leave it nil for a registry.
	Machine StateMachine

	// 0, here and below, is the library's default.
	RequestTimeout       time.Duration
	ElectionTimeout      time.Duration
	EntrySizeMax         uint64
	StoreBytesMax        uint64
	SnapshotAfterBytes   uint64
	SnapshotAfterEntries uint64
}

// Role of a member.
type Role int32

const (
	Voter   Role = C.CLUSTER_VOTER
	Witness Role = C.CLUSTER_WITNESS
	Learner Role = C.CLUSTER_LEARNER
)

// Member of a log, as this replica knows it.
type Member struct {
	ID        uint64
	Address   string
	Role      Role
	HasJoined bool
	IsHeard   bool
	ChosenEnd uint64 // It has everything before this; 0: not known.
}

// Status of this replica.
type Status struct {
	Self     uint64
	First    uint64 // Positions [First, End) can be read here.
	End      uint64
	Term     uint64
	Leader   uint64 // 0: none is known.
	IsLeader bool
	IsLive   bool
	IsReady  bool
	Reason   string // Why it is not ready.
}

// Leadership of a log.
type Leadership struct {
	Term   uint64
	Leader uint64 // 0: none is known.
	IsSelf bool
}

// Health of this replica.
type Health struct {
	IsLive  bool
	IsReady bool
	Reason  string
}

// Why a state machine has stopped its replica.
type failed struct{ err error }

// What a log and a registry have in common.
type replica struct {
	runtime *Runtime

	mutex    sync.RWMutex // Held by calls, and by who takes the handle away.
	handle   unsafe.Pointer
	log      *C.cluster_log
	failure  atomic.Value        // Holds a `failed`: what calls return from then on.
	inner    map[closer]struct{} // What must be closed before it.
	ending   chan struct{}       // Closed when Close has begun.
	ended    chan struct{}       // Closed when it is done.
	isEnding bool

	leadership feed[Leadership]
	health     feed[Health]
}

func (r *replica) init(runtime *Runtime) {
	r.runtime = runtime
	r.inner = map[closer]struct{}{}
	r.ending = make(chan struct{})
	r.ended = make(chan struct{})
}

// Lets `call` use the handle, which is open until it returns.
func (r *replica) with(call func() C.told) C.told {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	if r.handle == nil {
		return C.told{code: C.CLUSTER_E_CLOSED}
	}
	return call()
}

// What a call returned, or why the state machine has stopped this replica.
func (r *replica) explain(err error) error {
	if err == nil {
		return nil
	}
	if failure, has := r.failure.Load().(failed); has {
		return failure.err
	}
	return err
}

func (r *replica) number(ctx context.Context, how kind,
	begin func(tag C.uint64_t) C.told) (uint64, error) {
	number, err := r.runtime.number(ctx, how, func(tag C.uint64_t) C.told {
		r.mutex.RLock()
		defer r.mutex.RUnlock()
		if r.handle == nil {
			return C.told{code: C.CLUSTER_E_CLOSED}
		}
		return begin(tag)
	})
	if err != nil {
		err = r.explain(err)
	}
	return number, err
}

func valueOf[T any](r *replica, ctx context.Context, how kind, decode func(*event) T,
	begin func(tag C.uint64_t) C.told) (T, error) {
	made, err := value(r.runtime, ctx, how, decode, func(tag C.uint64_t) C.told {
		return r.with(func() C.told { return begin(tag) })
	})
	return made, r.explain(err)
}

// False: it is closed, and so `one` must be.
func (r *replica) addInner(one closer) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.isEnding {
		return false
	}
	r.inner[one] = struct{}{}
	return true
}

func (r *replica) removeInner(one closer) {
	r.mutex.Lock()
	delete(r.inner, one)
	r.mutex.Unlock()
}

// Closes what is inside, then the handle, by `end`.
func (r *replica) close(self closer, end func(handle unsafe.Pointer)) {
	r.mutex.Lock()
	isFirst := !r.isEnding
	if isFirst {
		r.isEnding = true
		close(r.ending)
	}
	inner := r.inner
	r.inner = map[closer]struct{}{}
	r.mutex.Unlock()
	if !isFirst {
		<-r.ended
		return
	}
	for one := range inner {
		one.Close()
	}
	r.mutex.Lock()
	handle := r.handle
	r.handle, r.log = nil, nil
	r.mutex.Unlock()
	if handle != nil {
		end(handle)
	}
	r.leadership.close(r.runtime)
	r.health.close(r.runtime)
	r.runtime.remove(self)
	close(r.ended)
}

func splitAddress(address string) (string, uint16, error) {
	host, port, err := net.SplitHostPort(address)
	number, wrong := strconv.ParseUint(port, 10, 16)
	if err != nil || wrong != nil || number == 0 {
		return "", 0, &Error{Code: ErrInvalidArgument,
			Message: strconv.Quote(address) + " is no address; write HOST:PORT"}
	}
	return host, uint16(number), nil
}

func (o *Options) fill(memory *arena, to *C.cluster_log_options) error {
	C.shim_log_options_init(to)
	to.directory = memory.chars(o.Directory)
	to.cluster = C.uint64_t(o.Cluster)
	to.self = C.uint64_t(o.Self)
	if len(o.Members) > 0 {
		rows := memory.take(uintptr(len(o.Members)) * C.sizeof_cluster_member)
		to.members = (*C.cluster_member)(rows)
		to.member_count = C.size_t(len(o.Members))
		members := unsafe.Slice((*C.cluster_member)(rows), len(o.Members))
		at := 0
		for id, address := range o.Members {
			host, port, err := splitAddress(address)
			if err != nil {
				return err
			}
			members[at].id = C.uint64_t(id)
			members[at].host = memory.chars(host)
			members[at].port = C.uint16_t(port)
			at++
		}
	}
	to.join = memory.chars(o.Join)
	if o.Listen != "" {
		host, port, err := splitAddress(o.Listen)
		if err != nil {
			return err
		}
		to.listen_host, to.listen_port = memory.chars(host), C.uint16_t(port)
	}
	to.request_timeout_ms = milliseconds(o.RequestTimeout)
	to.election_timeout_ms = milliseconds(o.ElectionTimeout)
	to.heartbeat_interval_ms = milliseconds(o.ElectionTimeout / 10) // As the default has it.
	to.entry_size_max = C.uint64_t(o.EntrySizeMax)
	to.store_bytes_max = C.uint64_t(o.StoreBytesMax)
	to.snapshot_after_bytes = C.uint64_t(o.SnapshotAfterBytes)
	to.snapshot_after_entries = C.uint64_t(o.SnapshotAfterEntries)
	return nil
}

// Status never waits.
func (r *replica) Status() (Status, error) {
	row := (*C.cluster_log_status)(C.calloc(1, C.sizeof_cluster_log_status))
	defer C.free(unsafe.Pointer(row))
	err := refusal(r.with(func() C.told { return C.shim_log_read_status(r.log, row) }))
	if err != nil {
		return Status{}, r.explain(err)
	}
	return Status{uint64(row.self), uint64(row.first), uint64(row.end), uint64(row.term),
		uint64(row.leader), row.is_leader != 0, row.is_live != 0, row.is_ready != 0,
		C.GoString(&row.reason[0])}, nil
}

// Metrics in Prometheus' text.
func (r *replica) Metrics() string {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	if r.log == nil {
		return ""
	}
	size := C.cluster_log_metrics(r.log, nil, 0) + 4096
	text := (*C.char)(C.malloc(size))
	defer C.free(unsafe.Pointer(text))
	C.cluster_log_metrics(r.log, text, size)
	return C.GoString(text)
}

func membersOf(e *event) []Member {
	members := make([]Member, int(e.item_count))
	for i := range members {
		row := (*C.cluster_member)(item(e, i))
		address := net.JoinHostPort(C.GoString(row.host), strconv.Itoa(int(row.port)))
		members[i] = Member{uint64(row.id), address, Role(row.role), row.has_joined != 0,
			row.is_heard != 0, uint64(row.chosen_end)}
	}
	return members
}

// Members that this replica knows of.
func (r *replica) Members(ctx context.Context) ([]Member, error) {
	return valueOf(r, ctx, read, membersOf,
		func(tag C.uint64_t) C.told { return C.shim_log_members(r.log, tag) })
}

// AddMember adds a learner or witness, and yields the token to open it with.
func (r *replica) AddMember(ctx context.Context, address string, role Role) (string, error) {
	host, port, err := splitAddress(address)
	if err != nil {
		return "", err
	}
	var memory arena
	defer memory.free()
	text := memory.chars(host)
	return valueOf(r, ctx, write,
		func(e *event) string { return textAt(unsafe.Pointer(e.items), e.item_count) },
		func(tag C.uint64_t) C.told {
			return C.shim_log_add_member(r.log, text, C.uint16_t(port), C.int32_t(role),
				askedWith(ctx), tag)
		})
}

// SetRole makes a member a voter, witness or learner.
func (r *replica) SetRole(ctx context.Context, member uint64, role Role) ([]Member, error) {
	return valueOf(r, ctx, write, membersOf, func(tag C.uint64_t) C.told {
		return C.shim_log_set_role(r.log, C.uint64_t(member), C.int32_t(role), askedWith(ctx), tag)
	})
}

// RemoveMember does so for good.
func (r *replica) RemoveMember(ctx context.Context, member uint64) ([]Member, error) {
	return valueOf(r, ctx, write, membersOf, func(tag C.uint64_t) C.told {
		return C.shim_log_remove_member(r.log, C.uint64_t(member), askedWith(ctx), tag)
	})
}

func leadershipOf(e *event) Leadership {
	return Leadership{uint64(e.a), uint64(e.b), e.flags&C.CLUSTER_FLAG_SELF != 0}
}

// TransferLeadership hands it over to another voter.
func (r *replica) TransferLeadership(ctx context.Context, member uint64) (Leadership, error) {
	return valueOf(r, ctx, write, leadershipOf, func(tag C.uint64_t) C.told {
		return C.shim_log_transfer(r.log, C.uint64_t(member), askedWith(ctx), tag)
	})
}

// WatchLeadership tells who leads now, then each change; of changes that come while nobody
// receives, the last. It is closed when the context ends, or the replica.
func (r *replica) WatchLeadership(ctx context.Context) (<-chan Leadership, error) {
	return r.leadership.watch(ctx, r, leadershipOf, func(tag C.uint64_t) C.told {
		return C.shim_log_watch_leadership(r.log, tag)
	})
}

// WatchHealth is the same for whether this replica can serve.
func (r *replica) WatchHealth(ctx context.Context) (<-chan Health, error) {
	return r.health.watch(ctx, r, func(e *event) Health {
		return Health{e.flags&C.CLUSTER_FLAG_LIVE != 0, e.flags&C.CLUSTER_FLAG_READY != 0,
			textAt(unsafe.Pointer(e.items), e.item_count)}
	}, func(tag C.uint64_t) C.told { return C.shim_log_watch_health(r.log, tag) })
}
