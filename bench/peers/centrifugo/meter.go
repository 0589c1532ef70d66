package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// nowUs is now in microseconds of CLOCK_MONOTONIC, which all processes of a machine share.
func nowUs() float64 {
	var time unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &time); err != nil {
		panic(err)
	}
	return float64(time.Sec)*1e6 + float64(time.Nsec)/1e3
}

func resources() unix.Rusage {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return used
}

// cpuS returns seconds of CPU of all threads, user and system.
func cpuS() (float64, float64) {
	used := resources()
	seconds := func(t unix.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(used.Utime), seconds(used.Stime)
}

// field returns one number of a file of /proc; zero where it is not told.
func field(path string, index int) float64 {
	text, err := os.ReadFile(path)
	words := strings.Fields(string(text))
	if err != nil || index >= len(words) {
		return 0
	}
	number, _ := strconv.ParseFloat(words[index], 64)
	return number
}

// runDelayS is the time that threads were ready to run while their core ran something else.
func runDelayS() float64 {
	tasks, _ := filepath.Glob("/proc/self/task/*/schedstat")
	sum := 0.0
	for _, path := range tasks {
		sum += field(path, 1)
	}
	return sum / 1e9
}

// usage tells what this process has used, in the shapes of bench/rig/process.ts.
func usage(args json.RawMessage) map[string]any {
	var options struct {
		Collect bool `json:"collect"`
	}
	_ = json.Unmarshal(args, &options)
	if options.Collect {
		debug.FreeOSMemory()
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	user, system := cpuS()
	return map[string]any{
		"cpuUserS":  user,
		"cpuSysS":   system,
		"runDelayS": runDelayS(),
		"atUs":      nowUs(),
		"switches":  resources().Nvcsw,
		"memory": map[string]any{
			"rss":          field("/proc/self/statm", 1) * float64(os.Getpagesize()),
			"heapUsed":     memory.HeapAlloc,
			"external":     0,
			"arrayBuffers": 0,
		},
		"lag": map[string]int{"p50Us": 0, "p99Us": 0, "maxUs": 0},
	}
}
