package cluster

// #include "shim.h"
import "C"

import (
	"context"
	"errors"
	"unsafe"
)

// Code is what kind of error it is: the numbers of cluster/c.h. Each is an error to compare with:
// errors.Is(err, cluster.ErrTimedOut).
type Code int32

const (
	ErrInvalidArgument Code = 1
	ErrNotFound        Code = 2
	ErrAlreadyExists   Code = 3
	ErrFenced          Code = 4 // A newer writer or leader has taken over.
	ErrNoLeader        Code = 5 // A majority of the voters must be up.
	ErrTimedOut        Code = 6
	ErrClosed          Code = 7
	ErrOverloaded      Code = 8
	ErrTooLarge        Code = 9
	ErrTruncated       Code = 10 // What was asked for is no longer kept.
	ErrCorrupt         Code = 11
	ErrStorage         Code = 12 // The disk failed: this replica has stopped.
	ErrUnreachable     Code = 13
	ErrProtocol        Code = 14
	ErrWrongCluster    Code = 15
	ErrUnsupported     Code = 16
	ErrPermission      Code = 17
	ErrAddressInUse    Code = 18
	ErrWouldDeadlock   Code = 19
	ErrInsufficient    Code = 20
	ErrFailed          Code = 21
	ErrCancelled       Code = 22
	ErrDiskFull        Code = 23
	ErrReadOnly        Code = 24
)

func (c Code) Error() string { return C.GoString(C.cluster_error_name(C.int32_t(c))) }

// ErrLeaseLost is what WhileHolding and WhileLeading return when the lease was lost meanwhile:
// another one may hold it by now.
var ErrLeaseLost = errors.New("the lease was lost: another one may hold it by now")

// Error is a call that failed.
type Error struct {
	Code    Code
	Message string // What was wrong, and what would be right.
	// It may have taken effect all the same: to retry is the caller's choice.
	MayHaveBeenApplied bool
	// Of a watch that has ended: the revision that another one goes on from.
	ResumeFrom uint64
	cause      error // A context's.
}

func (e *Error) Error() string {
	text := e.Code.Error()
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.MayHaveBeenApplied {
		text += " (may have been applied)"
	}
	return text
}

// Is holds for the error's Code.
func (e *Error) Is(target error) bool {
	code, is := target.(Code)
	return is && code == e.Code
}

// Unwrap yields the context's error, where one has ended.
func (e *Error) Unwrap() error { return e.cause }

// MayHaveBeenApplied tells whether what failed may have taken effect.
func MayHaveBeenApplied(err error) bool {
	var failure *Error
	return errors.As(err, &failure) && failure.MayHaveBeenApplied
}

var errClosed = &Error{Code: ErrClosed, Message: "it was closed"}

// Nil of what succeeded. Frees the text.
func refusal(said C.told) error {
	if said.code == C.CLUSTER_OK {
		return nil
	}
	if said.text == nil {
		return errClosed
	}
	defer C.free(unsafe.Pointer(said.text))
	return &Error{Code: Code(said.code), Message: C.GoString(said.text)}
}

func contextEnded(ctx context.Context, isWrite bool) error {
	failure := &Error{Code: ErrCancelled, Message: "the context has ended",
		MayHaveBeenApplied: isWrite, cause: ctx.Err()}
	if errors.Is(failure.cause, context.DeadlineExceeded) {
		failure.Code = ErrTimedOut
	}
	return failure
}
