// Package examples is tried as a reader would: copies are started, and some are killed.
package examples

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Of a machine that is four times slower, and busy.
const patience = 90 * time.Second

type copies struct {
	t       *testing.T
	program string
	folder  string
	leading []string // Arguments before the number.
	members []string
	running map[int]*exec.Cmd
	lines   map[int]chan string
}

func build(t *testing.T, name string, leading ...string) *copies {
	c := &copies{t: t, folder: t.TempDir(), leading: leading, running: map[int]*exec.Cmd{},
		lines: map[int]chan string{}}
	c.program = filepath.Join(c.folder, name)
	if said, err := exec.Command("go", "build", "-o", c.program, "./"+name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for i := 0; i < 3; i++ {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c.members = append(c.members, listener.Addr().String())
		defer listener.Close()
	}
	t.Cleanup(func() {
		for number := range c.running {
			c.kill(number)
		}
	})
	return c
}

func (c *copies) start(number int) {
	arguments := append(append([]string{}, c.leading...), strconv.Itoa(number))
	command := exec.Command(c.program, append(arguments, c.members...)...)
	command.Dir = c.folder
	reader, writer := io.Pipe()
	command.Stdout, command.Stderr = writer, writer
	if err := command.Start(); err != nil {
		c.t.Fatal(err)
	}
	lines := make(chan string, 100000)
	go func() {
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			lines <- scanner.Text()
		}
		close(lines)
	}()
	c.running[number], c.lines[number] = command, lines
	go func() {
		command.Wait()
		writer.Close()
	}()
}

func (c *copies) kill(number int) {
	c.running[number].Process.Kill()
	for range c.lines[number] {
	}
	delete(c.running, number)
}

// Lines of a copy, until `is_last` holds for one.
func (c *copies) until(number int, isLast func(line string) bool) {
	c.t.Helper()
	deadline := time.After(patience)
	var said bytes.Buffer
	for {
		select {
		case line, more := <-c.lines[number]:
			if !more {
				c.t.Fatalf("copy %d ended; it said:\n%s", number, said.String())
			}
			said.WriteString(line + "\n")
			if isLast(line) {
				return
			}
		case <-deadline:
			c.t.Fatalf("copy %d said:\n%s", number, said.String())
		}
	}
}

func TestTheCounterSurvivesTheLossOfACopy(t *testing.T) {
	c := build(t, "counter")
	for number := 1; number <= 3; number++ {
		c.start(number)
	}
	last := 0
	counted := func(atLeast int) func(string) bool {
		return func(line string) bool {
			words := strings.Fields(line) // Date, time, "count", number, whether it was added, error.
			if len(words) < 5 || words[4] != "true" {
				return false
			}
			count, err := strconv.Atoi(words[3])
			if err != nil || count <= last {
				t.Fatalf("%q after %d", line, last)
			}
			last = count
			return count >= atLeast
		}
	}
	c.until(1, counted(3))
	before := last
	c.kill(1)
	last = 0
	c.until(2, counted(before+3))
}

func TestEachTickIsDoneOnceWhileCopiesAreKilled(t *testing.T) {
	c := build(t, "cronleader", "50ms")
	for number := 1; number <= 3; number++ {
		c.start(number)
	}
	by, leader := "", 0
	next := int64(0)
	// The history that a copy tells, from the start; the rest continues it.
	told := func(line string) bool {
		rest := strings.TrimPrefix(line, "tick/")
		if rest == line {
			return false // Of its log.
		}
		text, _, _ := strings.Cut(rest, ":")
		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil || next != 0 && number != next {
			t.Fatalf("%q, and %d was to come", line, next)
		}
		next = number + 1
		by = line[len(line)-1:]
		leader, _ = strconv.Atoi(by)
		return true
	}
	witness := 1
	for kills := 0; kills < 3; kills++ {
		ticks := 0
		c.until(witness, func(line string) bool {
			if told(line) {
				ticks++
			}
			return ticks == 20
		})
		killed := leader
		c.kill(killed) // In the middle of a tick, or between two.
		if killed == witness {
			witness = witness%3 + 1
			next = 0 // This one's history starts at the beginning.
		}
		c.until(witness, func(line string) bool { return told(line) && leader != killed })
		c.start(killed)
	}
	t.Logf("the last was %d, by copy %s", next-1, by)
}
