package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strconv"
	"sync"
)

// call is a method that the conductor calls, as bench/rig/rpc.ts says it; it is answered once.
type call struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Args   json.RawMessage `json:"args"`
	out    *channelOut
}

type channelOut struct {
	sync.Mutex
	file *os.File
}

func (c call) answer(result any) { c.write(map[string]any{"id": c.ID, "result": result}) }

func (c call) fail(why string) { c.write(map[string]any{"id": c.ID, "error": why}) }

func (c call) write(message map[string]any) {
	line, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	c.out.Lock()
	defer c.out.Unlock()
	// A conductor that is gone ends this process: its calls end.
	_, _ = c.out.file.Write(append(line, '\n'))
}

// openChannel opens the message channel that Node.js gives to a child process: lines of JSON on the
// descriptor that NODE_CHANNEL_FD names. It is closed when the conductor is gone.
func openChannel() <-chan call {
	fd, err := strconv.Atoi(os.Getenv("NODE_CHANNEL_FD"))
	if err != nil {
		panic("started by the benchmark only")
	}
	file := os.NewFile(uintptr(fd), "channel")
	out := &channelOut{file: file}
	calls := make(chan call)
	go func() {
		defer close(calls)
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			next := call{out: out}
			if json.Unmarshal(lines.Bytes(), &next) == nil && next.Method != "" {
				calls <- next
			}
		}
	}()
	return calls
}
