package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

func openRegistry(t *testing.T) *Registry {
	t.Helper()
	registry, err := newRuntime(t).OpenRegistry(alone(t))
	check(t, err)
	return registry
}

func TestKeysArePutReadListedAndDeleted(t *testing.T) {
	ctx := patient(t)
	registry := openRegistry(t)
	first, err := registry.Put(ctx, "a/1", []byte("one"))
	check(t, err)
	_, err = registry.Put(ctx, "a/2", []byte("t\x00wo"))
	check(t, err)
	_, err = registry.Put(ctx, "b", nil)
	check(t, err)
	found, err := registry.Get(ctx, "a/2")
	check(t, err)
	if string(found.Value) != "t\x00wo" || found.Version != 1 || found.Modified != first+1 {
		t.Fatalf("found %+v", found)
	}
	missing, err := registry.Get(ctx, "missing")
	check(t, err)
	if missing.Exists() || !found.Exists() {
		t.Fatal("what is missing exists")
	}
	if local, err := registry.Local().Get(ctx, "b"); err != nil || !local.Exists() {
		t.Fatalf("locally %+v, %v", local, err)
	}
	for _, one := range []struct {
		keys    Range
		options RangeOptions
		count   uint64
		listed  string
		hasMore bool
	}{
		{Prefix("a/"), RangeOptions{}, 2, "a/1=3 a/2=4 ", false},
		{Prefix("a/"), RangeOptions{At: first}, 1, "a/1=3 ", false},
		{Prefix("a/"), RangeOptions{Limit: 1}, 2, "a/1=3 ", true},
		{Prefix(""), RangeOptions{KeysOnly: true}, 3, "a/1=0 a/2=0 b=0 ", false},
		{Prefix(""), RangeOptions{CountOnly: true}, 3, "", false},
		{Between("a/2", "b"), RangeOptions{}, 1, "a/2=4 ", false},
		{From("a/2"), RangeOptions{}, 2, "a/2=4 b=0 ", false},
		{Key("b"), RangeOptions{}, 1, "b=0 ", false},
	} {
		result, err := registry.Range(ctx, one.keys, one.options)
		check(t, err)
		listed := ""
		for _, key := range result.Keys {
			listed += fmt.Sprintf("%s=%d ", key.Key, len(key.Value))
		}
		if listed != one.listed || result.HasMore != one.hasMore {
			t.Errorf("%+v lists %q, has more: %t", one, listed, result.HasMore)
		}
		if one.options.Limit == 0 && result.Count != one.count {
			t.Errorf("%+v counts %d", one, result.Count)
		}
	}
	if deleted, err := registry.Delete(ctx, Prefix("a/")); err != nil || deleted != 2 {
		t.Fatalf("deleted %d, %v", deleted, err)
	}
	if _, err = registry.Put(ctx, "", []byte("x")); !errors.Is(err, ErrInvalidArgument) {
		t.Fatalf("an empty key: %v", err)
	}
}

func TestATransactionMovesWhatItsConditionAllows(t *testing.T) {
	ctx := patient(t)
	registry := openRegistry(t)
	_, err := registry.Put(ctx, "from", []byte("5"))
	check(t, err)
	move := Transaction{
		When: []Compare{ValueIs("from", []byte("5")), Missing("lock"), Exists("from"),
			VersionIs("from", 3).Is(Less)},
		Then: []Operation{Put("from", []byte("0")).WithPrevious(), Put("to", []byte("5")),
			Read(Key("to"))},
		Otherwise: []Operation{Read(Prefix("f")), Delete(Key("nothing"))},
	}
	moved, err := registry.Transact(ctx, move)
	check(t, err)
	if !moved.Succeeded || string(moved.Results[2].Keys[0].Value) != "5" ||
		string(moved.Results[0].Keys[0].Value) != "5" {
		t.Fatalf("moved %+v", moved)
	}
	again, err := registry.Transact(ctx, move)
	check(t, err)
	if again.Succeeded || string(again.Results[0].Keys[0].Value) != "0" || again.Results[1].Count != 0 {
		t.Fatalf("again %+v", again)
	}
}

func TestAWatchTellsEachChangeOnceAndInOrder(t *testing.T) {
	ctx := patient(t)
	registry := openRegistry(t)
	start, err := registry.Put(ctx, "w/0", []byte("0"))
	check(t, err)
	watch, err := registry.Watch(ctx, Prefix("w/"), WatchOptions{From: start, WantsPrevious: true})
	check(t, err)
	for i := 1; i < 40; i++ {
		_, err = registry.Put(ctx, fmt.Sprintf("w/%d", i), []byte(fmt.Sprint(i)))
		check(t, err)
	}
	_, err = registry.Put(ctx, "elsewhere", nil)
	check(t, err)
	_, err = registry.Delete(ctx, Key("w/7"))
	check(t, err)
	var changes []Change
	for batch := range watch.C {
		if changes = append(changes, batch.Changes...); len(changes) == 41 {
			break
		}
	}
	for i, change := range changes[:40] {
		if change.IsDeleted || string(change.Now.Value) != fmt.Sprint(i) {
			t.Fatalf("change %d is %+v", i, change)
		}
	}
	if last := changes[40]; !last.IsDeleted || string(last.Before.Value) != "7" {
		t.Fatalf("the last is %+v", last)
	}
	check(t, watch.Close())

	check(t, registry.Compact(ctx, start+5))
	watch, err = registry.Watch(ctx, Prefix("w/"), WatchOptions{From: start})
	check(t, err)
	for range watch.C {
	}
	var failure *Error
	if !errors.As(watch.Err(), &failure) || failure.Code != ErrTruncated || failure.ResumeFrom <= start {
		t.Fatalf("it ended by %v", watch.Err())
	}
}

func TestALeaseTakesItsKeysAlong(t *testing.T) {
	ctx := patient(t)
	registry := openRegistry(t)
	lease, err := registry.GrantLease(ctx, time.Minute)
	check(t, err)
	if lease.TTL != time.Minute {
		t.Fatalf("it lives for %v", lease.TTL)
	}
	_, err = registry.PutLeased(ctx, "leased", []byte("x"), lease.ID)
	check(t, err)
	check(t, registry.RenewLease(ctx, lease.ID))
	lost := make(chan error, 1)
	go func() { lost <- registry.WaitForLoss(ctx, lease.ID) }()
	_, err = registry.RevokeLease(ctx, lease.ID)
	check(t, err)
	if err = <-lost; err != nil && !errors.Is(err, ErrNotFound) { // Asked for after its end.
		t.Fatal(err)
	}
	if key, err := registry.Get(ctx, "leased"); err != nil || key.Exists() {
		t.Fatalf("found %+v, %v", key, err)
	}
	if err = registry.RenewLease(ctx, lease.ID); !errors.Is(err, ErrNotFound) {
		t.Fatalf("renewed: %v", err)
	}
}

func TestOneAtATimeHoldsALockAndTokensGrow(t *testing.T) {
	ctx := patient(t)
	registry := openRegistry(t)
	inside, last := 0, uint64(0) // The lock guards them.
	var all sync.WaitGroup
	for i := 0; i < 8; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			err := registry.WhileHolding(ctx, "job", LockOptions{},
				func(ctx context.Context, lock *Lock) error {
					inside++
					if inside != 1 || lock.Token <= last {
						t.Errorf("%d inside, token %d after %d", inside, lock.Token, last)
					}
					last = lock.Token
					_, err := registry.Get(ctx, "anything")
					inside--
					return err
				})
			if err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()

	held, err := registry.Lock(ctx, "job", LockOptions{})
	check(t, err)
	_, err = registry.Lock(ctx, "job", LockOptions{Patience: 50 * time.Millisecond})
	if !errors.Is(err, ErrTimedOut) {
		t.Fatalf("it is held twice: %v", err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err = registry.Lock(short, "job", LockOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("it is held twice: %v", err)
	}
	check(t, held.Release(ctx))
	<-held.Context().Done()
	// Those who gave up are not in the queue any more.
	again, err := registry.Lock(ctx, "job", LockOptions{})
	check(t, err)
	check(t, again.Close())
}

func TestWhoLosesTheLeaseIsTold(t *testing.T) {
	ctx := patient(t)
	registry := openRegistry(t)
	err := registry.WhileLeading(ctx, "chief", []byte("me"), LockOptions{},
		func(inside context.Context, term *Lock) error {
			leader, err := registry.Leader(ctx, "chief")
			if err != nil || string(leader.Value) != "me" || leader.Token != term.Token {
				t.Errorf("the leader is %+v, %v", leader, err)
			}
			if _, err = registry.RevokeLease(ctx, term.Lease); err != nil {
				t.Error(err)
			}
			<-inside.Done()
			return inside.Err()
		})
	if err != ErrLeaseLost {
		t.Fatalf("it ended by %v", err)
	}
	if leader, err := registry.Leader(ctx, "chief"); err != nil || leader.Token != 0 {
		t.Fatalf("%+v leads, %v", leader, err)
	}
}

func TestNamespacesKeepKeysApart(t *testing.T) {
	ctx := patient(t)
	registry := openRegistry(t)
	team := registry.Space("team")
	if _, err := team.Put(ctx, "key", []byte("x")); !errors.Is(err, ErrNotFound) {
		t.Fatalf("a namespace that is not there: %v", err)
	}
	check(t, registry.SetNamespace(ctx, "team", 10, 0))
	_, err := team.Put(ctx, "key", []byte("x"))
	check(t, err)
	if key, err := registry.Get(ctx, "key"); err != nil || key.Exists() {
		t.Fatalf("outside %+v, %v", key, err)
	}
	if key, err := team.Get(ctx, "key"); err != nil || string(key.Value) != "x" {
		t.Fatalf("inside %+v, %v", key, err)
	}
}

func TestThreeRegistriesShareKeysAndElections(t *testing.T) {
	runtime := newRuntime(t)
	var registries [3]*Registry
	for i, options := range three(t) {
		registry, err := runtime.OpenRegistry(options)
		check(t, err)
		registries[i] = registry
	}
	settled(t, func(ctx context.Context) (uint64, error) { return registries[0].Put(ctx, "key", []byte("x")) })
	for _, registry := range registries {
		found := settled(t, func(ctx context.Context) (KeyValue, error) { return registry.Get(ctx, "key") })
		if string(found.Value) != "x" {
			t.Fatalf("found %+v", found)
		}
	}
	term := settled(t, func(ctx context.Context) (*Lock, error) {
		return registries[1].Campaign(context.Background(), "chief", []byte("1"), LockOptions{Patience: patience / 4})
	})
	check(t, registries[1].Close())
	<-term.Context().Done()
	next := settled(t, func(ctx context.Context) (*Lock, error) {
		return registries[2].Campaign(context.Background(), "chief", []byte("2"), LockOptions{Patience: patience / 4})
	})
	if next.Token <= term.Token {
		t.Fatalf("token %d after %d", next.Token, term.Token)
	}
}
