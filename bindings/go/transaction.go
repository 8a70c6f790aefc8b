package cluster

// #include "shim.h"
import "C"

import (
	"context"
	"unsafe"
)

// Relation of a comparison.
type Relation int32

const (
	Equal    Relation = C.CLUSTER_EQUAL
	NotEqual Relation = C.CLUSTER_NOT_EQUAL
	Less     Relation = C.CLUSTER_LESS
	Greater  Relation = C.CLUSTER_GREATER
)

// Compare is a condition of a transaction: what of the key is compared, with what. Make one with
// the functions below; Is turns it into another relation.
type Compare struct {
	key      string
	target   C.int32_t
	relation Relation
	number   uint64
	value    []byte
}

// ValueIs holds when the key is there with this value.
func ValueIs(key string, value []byte) Compare {
	return Compare{key: key, target: C.CLUSTER_COMPARE_VALUE, value: value}
}

// VersionIs compares how often it was put; 0: it is not there.
func VersionIs(key string, version uint64) Compare {
	return Compare{key: key, target: C.CLUSTER_COMPARE_VERSION, number: version}
}

// ModifiedIs compares the revision of its last change; 0: it is not there.
func ModifiedIs(key string, revision uint64) Compare {
	return Compare{key: key, target: C.CLUSTER_COMPARE_MODIFIED, number: revision}
}

// CreatedIs compares the revision of its creation; 0: it is not there.
func CreatedIs(key string, revision uint64) Compare {
	return Compare{key: key, target: C.CLUSTER_COMPARE_CREATED, number: revision}
}

// LeaseIs compares its lease.
func LeaseIs(key string, lease uint64) Compare {
	return Compare{key: key, target: C.CLUSTER_COMPARE_LEASE, number: lease}
}

// Exists holds when the key is there.
func Exists(key string) Compare {
	return Compare{key: key, target: C.CLUSTER_COMPARE_EXISTS, number: 1}
}

// Missing holds when it is not.
func Missing(key string) Compare { return Compare{key: key, target: C.CLUSTER_COMPARE_EXISTS} }

// Is is the same with another relation: VersionIs("key", 3).Is(cluster.Greater).
func (c Compare) Is(relation Relation) Compare {
	c.relation = relation
	return c
}

// Operation of a transaction. Make one with Put, PutLeased, Delete or Read.
type Operation struct {
	kind   C.int32_t
	keys   Range
	value  []byte
	lease  uint64
	limit  uint64
	wanted C.uint32_t
}

// Put puts a key.
func Put(key string, value []byte) Operation { return PutLeased(key, value, 0) }

// PutLeased puts a key that goes when the lease does.
func PutLeased(key string, value []byte, lease uint64) Operation {
	return Operation{kind: C.CLUSTER_PUT, keys: Key(key), value: value, lease: lease}
}

// Delete deletes keys.
func Delete(keys Range) Operation { return Operation{kind: C.CLUSTER_DELETE, keys: keys} }

// Read reads keys.
func Read(keys Range) Operation { return Operation{kind: C.CLUSTER_READ, keys: keys} }

// WithPrevious has the result name the keys as they were before a put or delete.
func (o Operation) WithPrevious() Operation {
	o.wanted |= C.CLUSTER_WANTS_PREVIOUS
	return o
}

// Transaction is carried out whole, or not at all: if all of When holds, Then, else Otherwise.
type Transaction struct {
	When      []Compare
	Then      []Operation
	Otherwise []Operation
}

// OperationResult of one operation.
type OperationResult struct {
	Count   uint64     // Keys that were deleted; keys in the range that was read.
	Keys    []KeyValue // Read; or as they were before, with WithPrevious.
	HasMore bool
}

// TransactionResult has a result for each operation of the branch that was taken.
type TransactionResult struct {
	Succeeded bool // All of When held.
	Revision  uint64
	Results   []OperationResult
}

func operationsIn(memory *arena, given []Operation) (*C.cluster_operation, C.size_t) {
	if len(given) == 0 {
		return nil, 0
	}
	start := (*C.cluster_operation)(memory.take(uintptr(len(given)) * C.sizeof_cluster_operation))
	rows := unsafe.Slice(start, len(given))
	for i, operation := range given {
		row := &rows[i]
		row.kind, row.flags = operation.kind, operation.wanted
		row._range.kind = operation.keys.kind
		row._range.begin = memory.text(operation.keys.begin)
		row._range.end = memory.text(operation.keys.end)
		row.value = memory.bytes(operation.value)
		row.lease, row.limit = C.uint64_t(operation.lease), C.uint64_t(operation.limit)
	}
	return start, C.size_t(len(given))
}

func comparesIn(memory *arena, given []Compare) (*C.cluster_compare, C.size_t) {
	if len(given) == 0 {
		return nil, 0
	}
	start := (*C.cluster_compare)(memory.take(uintptr(len(given)) * C.sizeof_cluster_compare))
	rows := unsafe.Slice(start, len(given))
	for i, compare := range given {
		row := &rows[i]
		row.key, row.value = memory.text(compare.key), memory.bytes(compare.value)
		row.target, row.is = compare.target, C.int32_t(compare.relation)
		row.number = C.uint64_t(compare.number)
	}
	return start, C.size_t(len(given))
}

func transactionOf(e *event) TransactionResult {
	made := TransactionResult{e.flags&C.CLUSTER_FLAG_SUCCEEDED != 0, uint64(e.a),
		make([]OperationResult, int(e.item_count))}
	for i := range made.Results {
		row := (*C.cluster_operation_result)(item(e, i))
		one := OperationResult{Count: uint64(row.count), HasMore: row.flags&C.CLUSTER_FLAG_MORE != 0}
		for _, key := range unsafe.Slice(row.keys, int(row.key_count)) {
			key := key
			one.Keys = append(one.Keys, keyAt(&key))
		}
		made.Results[i] = one
	}
	return made
}

// Transact carries a transaction out.
func (k Keys) Transact(ctx context.Context, transaction Transaction) (TransactionResult, error) {
	var memory arena
	defer memory.free()
	given := (*C.cluster_transaction)(memory.take(C.sizeof_cluster_transaction))
	given.size = C.sizeof_cluster_transaction
	given.when, given.when_count = comparesIn(&memory, transaction.When)
	given.then, given.then_count = operationsIn(&memory, transaction.Then)
	given.otherwise, given.otherwise_count = operationsIn(&memory, transaction.Otherwise)
	return valueOf(&k.registry.replica, ctx, write, transactionOf, func(tag C.uint64_t) C.told {
		return C.shim_registry_transact(k.registry.raw(), given, k.asked(ctx), tag)
	})
}
