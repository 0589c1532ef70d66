// The program of the Go client: see ../README.md.
package main

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/zishang520/socket.io/clients/socket/v3"
)

type info struct {
	Client  string `json:"client"`
	Version string `json:"version"`
	Runtime string `json:"runtime"`
}

type outcome struct {
	Row    string `json:"row"`
	Result string `json:"result"`
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// notOffered is why a row is not tried.
type notOffered string

func (why notOffered) Error() string { return string(why) }

func main() {
	say(info{
		Client:  "zishang520/socket.io",
		Version: strings.TrimPrefix(socket.VERSION, "v"),
		Runtime: "Go " + strings.TrimPrefix(runtime.Version(), "go"),
	})
	only := os.Args[1:] // rows to run while you work on one; none means all
	for _, row := range rows {
		if len(only) > 0 && !slices.Contains(only, row.name) {
			continue
		}
		opened := &link{url: os.Getenv("SLUICE_URL"), token: os.Getenv("SLUICE_TOKEN")}
		reason, err := row.run(opened)
		opened.close()
		var lacking notOffered
		switch {
		case errors.As(err, &lacking):
			say(outcome{Row: row.name, Result: "not offered", Detail: lacking.Error()})
		case err != nil:
			say(outcome{Row: row.name, Result: "fails", Detail: err.Error()})
		default:
			say(outcome{Row: row.name, Result: "works", Reason: reason})
		}
	}
}
