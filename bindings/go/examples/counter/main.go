// A counter that survives: counter 1 h1:7001 h2:7001 h3:7001, and so on for 2 and 3.
package main

import (
	"cluster"
	"context"
	"log"
	"os"
	"strconv"
	"time"
)

func main() {
	me, _ := strconv.ParseUint(os.Args[1], 10, 64)
	runtime, _ := cluster.NewRuntime(cluster.RuntimeOptions{Insecure: true})
	registry, err := runtime.OpenRegistry(cluster.Options{Directory: "counter." + os.Args[1], Cluster: 7,
		Self: me, Members: map[uint64]string{1: os.Args[2], 2: os.Args[3], 3: os.Args[4]}})
	if err != nil {
		log.Fatal(err)
	}
	for ctx := context.Background(); ; time.Sleep(200 * time.Millisecond) {
		now, _ := registry.Get(ctx, "count")
		count, _ := strconv.Atoi(string(now.Value))
		added, err := registry.Transact(ctx, cluster.Transaction{
			When: []cluster.Compare{cluster.ModifiedIs("count", now.Modified)},
			Then: []cluster.Operation{cluster.Put("count", []byte(strconv.Itoa(count+1)))}})
		log.Println("count", count+1, added.Succeeded, err)
	}
}
