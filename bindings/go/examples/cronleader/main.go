// A job that is done exactly once per tick, by whichever copy leads:
//
//	cronleader PERIOD 1 h1:7001 h2:7001 h3:7001        (and so on for 2 and 3)
//
// Copies may be killed at any moment, and a leader may stand still and wake up when another one
// leads: it may then begin a job again, but a tick's result is put by a transaction that holds only
// while the tick before it is the last. So each tick has one result, and none is left out.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"cluster"
)

// The program's own work. Here: what time it was.
func job(ctx context.Context, tick time.Time) string {
	return tick.UTC().Format(time.RFC3339Nano)
}

func lead(ctx context.Context, registry *cluster.Registry, me string, period time.Duration) error {
	for {
		last, err := registry.Get(ctx, "last")
		if err != nil {
			return err
		}
		number, err := strconv.ParseInt(string(last.Value), 10, 64)
		if err != nil { // The first one ever.
			number = time.Now().UnixNano()/int64(period) - 1
		}
		number++
		tick := time.Unix(0, number*int64(period))
		select {
		case <-ctx.Done(): // Somebody else may lead by now.
			return ctx.Err()
		case <-time.After(time.Until(tick)):
		}
		text := strconv.FormatInt(number, 10)
		_, err = registry.Transact(ctx, cluster.Transaction{
			When: []cluster.Compare{cluster.ModifiedIs("last", last.Modified)},
			Then: []cluster.Operation{cluster.Put("last", []byte(text)),
				cluster.Put("tick/"+text, []byte(job(ctx, tick)+" by copy "+me))}})
		if err != nil {
			return err
		}
	}
}

// Every copy tells what was done, in order, from the beginning.
func tell(ctx context.Context, registry *cluster.Registry) {
	watch, err := registry.Watch(ctx, cluster.Prefix("tick/"), cluster.WatchOptions{From: 1})
	if err != nil {
		log.Fatal(err)
	}
	for batch := range watch.C {
		for _, change := range batch.Changes {
			fmt.Printf("%s: %s\n", change.Now.Key, change.Now.Value)
		}
	}
	log.Fatal(watch.Err())
}

func main() {
	period, err := time.ParseDuration(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	members := map[uint64]string{}
	for i, address := range os.Args[3:] {
		members[uint64(i+1)] = address
	}
	me, _ := strconv.ParseUint(os.Args[2], 10, 64)
	runtime, err := cluster.NewRuntime(cluster.RuntimeOptions{Insecure: true})
	if err != nil {
		log.Fatal(err)
	}
	registry, err := runtime.OpenRegistry(cluster.Options{Directory: "cronleader." + os.Args[2],
		Cluster: 7, Self: me, Members: members})
	if err != nil {
		log.Fatal(err)
	}
	go tell(context.Background(), registry)
	for {
		err := registry.WhileLeading(context.Background(), "cron", []byte(os.Args[2]),
			cluster.LockOptions{TTL: 2 * time.Second},
			func(ctx context.Context, term *cluster.Lock) error {
				return lead(ctx, registry, os.Args[2], period)
			})
		log.Println("leads no more:", err)
	}
}
