package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// Of a machine that is four times slower, and busy.
const patience = 60 * time.Second

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func newRuntime(t testing.TB) *Runtime {
	t.Helper()
	runtime, err := NewRuntime(RuntimeOptions{Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { runtime.Close() })
	return runtime
}

// Options of the only member of a log: the same each time in one test.
func alone(t testing.TB) Options {
	return Options{Directory: filepath.Join(t.TempDir(), "member"), Cluster: 7, Self: 1,
		Members: map[uint64]string{1: freeAddress(t)}}
}

func three(t testing.TB) [3]Options {
	members := map[uint64]string{1: freeAddress(t), 2: freeAddress(t), 3: freeAddress(t)}
	var all [3]Options
	for i := range all {
		all[i] = Options{Directory: filepath.Join(t.TempDir(), "member"), Cluster: 7,
			Self: uint64(i + 1), Members: members}
	}
	return all
}

func openLog(t testing.TB, runtime *Runtime, options Options) *Log {
	t.Helper()
	log, err := runtime.OpenLog(options)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Tries again what an election on the way may have disturbed.
func settled[T any](t *testing.T, call func(ctx context.Context) (T, error)) T {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), patience/4)
		made, err := call(ctx)
		cancel()
		if err == nil {
			return made
		}
		isPassing := errors.Is(err, ErrNoLeader) || errors.Is(err, ErrTimedOut) ||
			errors.Is(err, ErrUnreachable)
		if !isPassing || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestEntriesAreReadAndFollowedInOrder(t *testing.T) {
	ctx := patient(t)
	log := openLog(t, newRuntime(t), alone(t))
	var started []*Pending
	for i := 0; i < 300; i++ {
		pending, err := log.StartAppend(ctx, []byte(fmt.Sprint(i)))
		check(t, err)
		started = append(started, pending)
	}
	last := uint64(0)
	for _, pending := range started {
		position, err := pending.Wait(ctx)
		check(t, err)
		if position <= last {
			t.Fatalf("position %d after %d", position, last)
		}
		last = position
	}
	if again, err := started[0].Wait(ctx); err != nil || again == 0 {
		t.Fatalf("who waits again gets %d, %v", again, err)
	}
	more, err := log.AppendAll(ctx, [][]byte{[]byte("a"), {}, []byte("c")})
	check(t, err)
	if len(more) != 3 || more[0] <= last || more[2] != more[0]+2 {
		t.Fatalf("positions %v after %d", more, last)
	}

	following, stop := context.WithCancel(ctx)
	follower := log.Follow(following, 1)
	var followed []Entry
	for entry := range follower.C {
		if followed = append(followed, entry); len(followed) == 303 {
			break
		}
	}
	for i, entry := range followed[:300] {
		if string(entry.Data) != fmt.Sprint(i) {
			t.Fatalf("entry %d is %q", i, entry.Data)
		}
	}
	if len(followed[301].Data) != 0 || string(followed[302].Data) != "c" {
		t.Fatalf("the last are %v", followed[300:])
	}
	stop()
	for range follower.C {
	}
	if !errors.Is(follower.Err(), context.Canceled) {
		t.Fatalf("the follower ended by %v", follower.Err())
	}

	first, end, err := log.CatchUp(ctx)
	check(t, err)
	read, err := log.Read(ctx, first, end, 16<<20)
	check(t, err)
	if len(read) != 303 || read[302].Position != followed[302].Position {
		t.Fatalf("read %d entries", len(read))
	}
	status, err := log.Status()
	check(t, err)
	if !status.IsLeader || !status.IsReady || status.End != end {
		t.Fatalf("status %+v", status)
	}
	if !strings.Contains(log.Metrics(), "cluster_log_appends_total") {
		t.Fatal("no metrics")
	}
}

func TestThreeMembersGoOnWithoutOne(t *testing.T) {
	runtime := newRuntime(t)
	var logs [3]*Log
	for i, options := range three(t) {
		logs[i] = openLog(t, runtime, options)
	}
	settled(t, func(ctx context.Context) (uint64, error) { return logs[1].Append(ctx, []byte("before")) })
	members, err := logs[1].Members(patient(t))
	check(t, err)
	if len(members) != 3 || members[0].Role != Voter {
		t.Fatalf("members %v", members)
	}

	watching, stop := context.WithCancel(patient(t))
	defer stop()
	status, err := logs[1].Status()
	check(t, err)
	gone := int(status.Leader) - 1
	rest := logs[(gone+1)%3]
	changes, err := rest.WatchLeadership(watching)
	check(t, err)
	check(t, logs[gone].Close())
	for leadership := range changes {
		if leadership.Leader != 0 && leadership.Leader != uint64(gone+1) {
			break
		}
	}
	if watching.Err() != nil {
		t.Fatal("nobody else came to lead")
	}
	settled(t, func(ctx context.Context) (uint64, error) { return rest.Append(ctx, []byte("after")) })
	end := settled(t, func(ctx context.Context) (uint64, error) {
		_, end, err := rest.CatchUp(ctx)
		return end, err
	})
	entries, err := rest.Read(patient(t), 1, end, 1<<20)
	check(t, err)
	if string(entries[0].Data) != "before" || string(entries[len(entries)-1].Data) != "after" {
		t.Fatalf("entries %v", entries)
	}
	stop()
	for range changes {
	}
}

func TestANewerWriterFencesTheOlder(t *testing.T) {
	ctx := patient(t)
	log := openLog(t, newRuntime(t), alone(t))
	older, err := log.StartWriter(ctx)
	check(t, err)
	_, err = older.Append(ctx, []byte("x"))
	check(t, err)
	newer, err := log.StartWriter(ctx)
	check(t, err)
	if newer.Term <= older.Term {
		t.Fatalf("terms %d and %d", older.Term, newer.Term)
	}
	_, err = older.Append(ctx, []byte("y"))
	if !errors.Is(err, ErrFenced) {
		t.Fatalf("the older writer: %v", err)
	}
	_, err = newer.Append(ctx, []byte("z"))
	check(t, err)
	check(t, newer.Close())
	if _, err = newer.Append(ctx, []byte("z")); !errors.Is(err, ErrClosed) {
		t.Fatalf("a closed writer: %v", err)
	}
}

// Words is a list of all that was appended.
type words struct {
	mutex sync.Mutex
	all   []string
	fails error
}

func (w *words) Apply(entries []Entry) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, entry := range entries {
		w.all = append(w.all, string(entry.Data))
	}
	return w.fails
}

func (w *words) Snapshot() ([]byte, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return []byte(strings.Join(w.all, "\n")), nil
}

func (w *words) Restore(snapshot []byte) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.all = strings.Split(string(snapshot), "\n")
	return nil
}

func (w *words) said() string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return strings.Join(w.all, " ")
}

func TestAStateMachineIsRestoredAndGoesOn(t *testing.T) {
	ctx := patient(t)
	runtime := newRuntime(t)
	options := alone(t)
	machine := &words{}
	options.Machine = machine
	log := openLog(t, runtime, options)
	for i := 0; i < 50; i++ {
		_, err := log.Append(ctx, []byte("word"))
		check(t, err)
	}
	_, err := log.ReadBarrier(ctx)
	check(t, err)
	if count := strings.Count(machine.said(), "word"); count != 50 {
		t.Fatalf("%d words after a barrier", count)
	}
	_, err = log.TakeSnapshot(ctx)
	check(t, err)
	_, err = log.Append(ctx, []byte("last"))
	check(t, err)
	check(t, log.Close())

	again := &words{}
	options = Options{Directory: options.Directory, Machine: again} // The directory knows the rest.
	log = openLog(t, runtime, options)
	_, err = log.ReadBarrier(ctx)
	check(t, err)
	if again.said() != strings.Repeat("word ", 50)+"last" {
		t.Fatalf("restored %q", again.said())
	}
}

func TestAStateMachineThatFailsStopsItsReplica(t *testing.T) {
	ctx := patient(t)
	options := alone(t)
	broken := &words{fails: errors.New("it does not understand")}
	options.Machine = broken
	log := openLog(t, newRuntime(t), options)
	_, err := log.Append(ctx, []byte("x"))
	for err == nil { // What is open may end well; what comes later says why.
		_, err = log.ReadBarrier(ctx)
	}
	check(t, log.Close())
	if _, err = log.Append(ctx, []byte("y")); err != broken.fails {
		t.Fatalf("it said %v", err)
	}
}

func TestErrorsSayWhatWouldBeRight(t *testing.T) {
	ctx := patient(t)
	runtime := newRuntime(t)
	options := alone(t)
	nowhere := options
	nowhere.Members = map[uint64]string{1: "nowhere"}
	_, err := runtime.OpenLog(nowhere)
	if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), "HOST:PORT") {
		t.Fatalf("an address: %v", err)
	}
	log := openLog(t, runtime, options)
	_, err = log.Append(ctx, make([]byte, 2<<20))
	var failure *Error
	if !errors.Is(err, ErrTooLarge) || !errors.As(err, &failure) || failure.Message == "" {
		t.Fatalf("too large: %v", err)
	}
	if MayHaveBeenApplied(err) || errors.Is(err, ErrTimedOut) {
		t.Fatalf("what was refused was applied: %v", err)
	}
	check(t, log.Close())
	if _, err = log.Append(ctx, []byte("x")); !errors.Is(err, ErrClosed) {
		t.Fatalf("closed: %v", err)
	}
	options.Cluster = 8
	if _, err = runtime.OpenLog(options); !errors.Is(err, ErrWrongCluster) {
		t.Fatalf("another cluster: %v", err)
	}
	if _, err = NewRuntime(RuntimeOptions{}); !errors.Is(err, ErrInvalidArgument) {
		t.Fatalf("a runtime that is neither secure nor not: %v", err)
	}
	if ErrTimedOut.Error() != "timed out" {
		t.Fatalf("its name is %q", ErrTimedOut.Error())
	}
}

// A member of two, whose other one is not there: nothing can be chosen.
func half(t *testing.T) Options {
	options := alone(t)
	options.Members[2] = freeAddress(t)
	return options
}

func TestACallEndsWithItsContext(t *testing.T) {
	log := openLog(t, newRuntime(t), half(t))
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := log.Append(ctx, []byte("x"))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrCancelled) || !MayHaveBeenApplied(err) {
		t.Fatalf("cancelled: %v", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err = log.Append(ctx, []byte("x")); err == nil {
		t.Fatal("half of two members appended")
	}
	<-ctx.Done()
	_, err = log.Append(ctx, []byte("x"))
	if !errors.Is(err, context.DeadlineExceeded) || MayHaveBeenApplied(err) {
		t.Fatalf("after the deadline: %v", err)
	}
}

func TestOpenCallsEndWhenTheLogIsClosed(t *testing.T) {
	log := openLog(t, newRuntime(t), half(t))
	ended := make(chan error, 5)
	for i := 0; i < cap(ended); i++ {
		go func() {
			_, err := log.Append(patient(t), []byte("x"))
			ended <- err
		}()
	}
	pending, err := log.StartAppend(patient(t), []byte("x"))
	check(t, err)
	check(t, log.Close())
	check(t, log.Close()) // Twice is once.
	for i := 0; i < cap(ended); i++ {
		if err := <-ended; err == nil {
			t.Fatal("half of two members appended")
		}
	}
	if _, err = pending.Wait(patient(t)); err == nil {
		t.Fatal("half of two members appended")
	}
}

// Goroutines that are there when those that are ending have ended.
func goroutines(atMost int) int {
	deadline := time.Now().Add(patience)
	for runtime.NumGoroutine() > atMost && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	return runtime.NumGoroutine()
}

func TestNoGoroutineIsLeftBehind(t *testing.T) {
	before := goroutines(runtime.NumGoroutine())
	cluster, err := NewRuntime(RuntimeOptions{Insecure: true})
	check(t, err)
	log := openLog(t, cluster, half(t))
	own := alone(t)
	registry, err := cluster.OpenRegistry(own)
	check(t, err)
	withRuntime := goroutines(before + 1)
	if withRuntime > before+1 {
		t.Fatalf("a runtime has %d goroutines", withRuntime-before)
	}

	ctx, cancel := context.WithCancel(context.Background())
	for i := 0; i < 1000; i++ {
		short, end := context.WithTimeout(ctx, time.Duration(i%3)*time.Millisecond)
		log.Append(short, []byte("x"))
		_, err := registry.Put(ctx, "key", []byte("x"))
		check(t, err)
		end()
	}
	if now := goroutines(withRuntime); now > withRuntime {
		t.Fatalf("%d goroutines of calls are left", now-withRuntime)
	}
	follower := log.Follow(ctx, 1)
	watch, err := registry.Watch(ctx, Prefix(""), WatchOptions{})
	check(t, err)
	_, err = log.WatchLeadership(ctx)
	check(t, err)
	_, err = registry.Lock(ctx, "lock", LockOptions{})
	check(t, err)
	cancel()
	for range follower.C {
	}
	for range watch.C {
	}
	if now := goroutines(withRuntime); now > withRuntime {
		t.Fatalf("%d goroutines of streams are left", now-withRuntime)
	}
	check(t, cluster.Close())
	if now := goroutines(before); now > before {
		t.Fatalf("%d goroutines of the runtime are left", now-before)
	}
}

func TestWhatIsOpenIsClosedWithItsRuntime(t *testing.T) {
	runtime, err := NewRuntime(RuntimeOptions{Insecure: true})
	check(t, err)
	registry, err := runtime.OpenRegistry(alone(t))
	check(t, err)
	ctx := patient(t)
	lock, err := registry.Lock(ctx, "lock", LockOptions{})
	check(t, err)
	watch, err := registry.Watch(ctx, Prefix(""), WatchOptions{})
	check(t, err)
	waiting := make(chan error, 1)
	go func() {
		_, err := registry.Lock(ctx, "lock", LockOptions{})
		waiting <- err
	}()
	check(t, runtime.Close())
	check(t, runtime.Close())
	for range watch.C {
	}
	if !errors.Is(watch.Err(), ErrClosed) {
		t.Fatalf("the watch ended by %v", watch.Err())
	}
	<-lock.Context().Done()
	if err := <-waiting; err == nil {
		t.Fatal("two hold the lock")
	}
	if _, err = registry.Get(ctx, "key"); !errors.Is(err, ErrClosed) {
		t.Fatalf("a call: %v", err)
	}
	if _, err = runtime.OpenLog(alone(t)); !errors.Is(err, ErrClosed) {
		t.Fatalf("opening: %v", err)
	}
}

func TestRuntimesAreOpenedAndClosedAgainAndAgain(t *testing.T) {
	for i := 0; i < 20; i++ {
		runtime, err := NewRuntime(RuntimeOptions{Insecure: true})
		check(t, err)
		log := openLog(t, runtime, alone(t))
		if i%4 == 0 {
			_, err = log.Append(patient(t), []byte("x"))
			check(t, err)
		}
		check(t, runtime.Close())
	}
}
