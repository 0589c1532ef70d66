package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load is an option of either load of bench/subjects/emit.ts.
type load struct {
	Shape         string  `json:"shape"`
	FirstSequence int     `json:"firstSequence"`
	PayloadBytes  int     `json:"payloadBytes"`
	FramesPerTurn int     `json:"framesPerTurn"`
	DurationMs    float64 `json:"durationMs"`
	Window        int64   `json:"window"`
	RatePerS      float64 `json:"ratePerS"`
}

func readLoad(args json.RawMessage) load {
	var options load
	if err := json.Unmarshal(args, &options); err != nil {
		panic(err)
	}
	return options
}

// credit is how many messages of a round may be emitted so far; the generator raises it.
type credit struct {
	allowed atomic.Int64
	risen   chan struct{}
	once    sync.Once
	port    int
}

func newCredit() *credit { return &credit{risen: make(chan struct{}, 1)} }

// listen returns the port on which credit is given.
func (c *credit) listen() int {
	c.once.Do(func() {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		c.port = listener.Addr().(*net.TCPAddr).Port
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				go c.read(conn)
			}
		}()
	})
	return c.port
}

func (c *credit) read(conn net.Conn) {
	defer conn.Close()
	var bytes [4]byte
	for {
		if _, err := io.ReadFull(conn, bytes[:]); err != nil {
			return
		}
		most := int64(binary.LittleEndian.Uint32(bytes[:]))
		if most > c.allowed.Load() {
			c.allowed.Store(most)
		}
		select {
		case c.risen <- struct{}{}:
		default:
		}
	}
}

const markerBytes = 2 + 9 + 1 + 15

// bodies returns what makes bodies of so many bytes, each with its marker (bench/wire/marker.ts).
func bodies(bytes int) func(sequence int, dueUs float64) string {
	letters := "abcdefghijklmnopqrstuvwxyz0123456789_"
	length := max(0, bytes-markerBytes)
	filler := strings.Repeat(letters, length/len(letters)+1)[:length]
	return func(sequence int, dueUs float64) string {
		return fmt.Sprintf("~S%09dT%015d%s", sequence, int64(dueUs), filler)
	}
}

type meter struct {
	startedUs float64
	cpuS      float64
}

func startMeter() meter {
	user, system := cpuS()
	return meter{startedUs: nowUs(), cpuS: user + system}
}

func (m meter) read(sent, last int, waitedUs, lateMax, lateMean float64) map[string]any {
	user, system := cpuS()
	return map[string]any{
		"broadcasts":   sent,
		"lastSequence": last,
		"startedUs":    m.startedUs,
		"wallMs":       (nowUs() - m.startedUs) / 1e3,
		"waitedMs":     waitedUs / 1e3,
		"cpuS":         user + system - m.cpuS,
		"lateUsMax":    lateMax,
		"lateUsMean":   lateMean,
	}
}

// saturate publishes framesPerTurn messages, lets everything else run, and so on, never above the
// credit.
func saturate(args json.RawMessage, s *subject, c *credit) map[string]any {
	options := readLoad(args)
	body := bodies(options.PayloadBytes)
	c.allowed.Store(options.Window)
	m := startMeter()
	endUs := m.startedUs + options.DurationMs*1e3
	sent, waitedUs := 0, 0.0
	for now := nowUs(); now < endUs; now = nowUs() {
		if int64(sent+options.FramesPerTurn) > c.allowed.Load() {
			// A reader that lost messages gives no more credit: the time ends the round all the same.
			select {
			case <-c.risen:
			case <-time.After(time.Duration(endUs-now+1) * time.Microsecond):
			}
			waitedUs += nowUs() - now
			continue
		}
		for range options.FramesPerTurn {
			s.emit(options.Shape, body(options.FirstSequence+sent, now))
			sent++
		}
		runtime.Gosched()
	}
	return m.read(sent, options.FirstSequence+sent-1, waitedUs, 0, 0)
}

// pace publishes every message when it is due, late ones at once, each stamped with its time.
func pace(args json.RawMessage, s *subject) map[string]any {
	options := readLoad(args)
	body := bodies(options.PayloadBytes)
	total := max(1, int(options.RatePerS*options.DurationMs/1e3))
	gapUs := 1e6 / options.RatePerS
	m := startMeter()
	sent, lateSum, lateMax := 0, 0.0, 0.0
	for sent < total {
		now := nowUs()
		for sent < total {
			due := m.startedUs + float64(sent)*gapUs
			if due > now {
				break
			}
			lateSum += now - due
			lateMax = max(lateMax, now-due)
			s.emit(options.Shape, body(options.FirstSequence+sent, due))
			sent++
		}
		if sent < total {
			time.Sleep(time.Millisecond)
		}
	}
	last := options.FirstSequence + total - 1
	return m.read(sent, last, 0, lateMax, lateSum/float64(sent))
}
