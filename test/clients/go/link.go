package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/zishang520/socket.io/clients/engine/v3"
	"github.com/zishang520/socket.io/clients/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

// How long a row waits for anything.
const rowTime = 10 * time.Second

// How long the client waits for a connection before it tries again. Its own 20 seconds are longer
// than a row, and now and then it misses that its connection has opened.
const connectTime = 2 * time.Second

// A link opens the connections of one row.
type link struct {
	url, token string
	opened     []*socket.Socket
}

// options returns a connection's options; without transports, WebSocket alone.
func (l *link) options(token string, transports ...engine.TransportCtor) *socket.Options {
	options := socket.DefaultOptions()
	options.SetTimeout(connectTime)
	options.SetForceNew(true)
	options.SetReconnectionDelay(100)
	options.SetAuth(map[string]any{})
	if token != "" {
		options.SetAuth(map[string]any{"token": token})
	}
	if len(transports) == 0 {
		transports = []engine.TransportCtor{socket.WebSocket}
	}
	options.SetTransports(types.NewSet(transports...))
	return options
}

// open begins a connection to a namespace. It is not connected yet.
func (l *link) open(namespace string, options *socket.Options) (*socket.Socket, error) {
	options.SetAutoConnect(false) // the caller listens first
	opened, err := socket.Connect(l.url+namespace, options)
	if err == nil {
		l.opened = append(l.opened, opened)
	}
	return opened, err
}

// connect opens a connection with the token, and waits until it is accepted.
func (l *link) connect(transports ...engine.TransportCtor) (*socket.Socket, error) {
	opened, err := l.open("", l.options(l.token, transports...))
	if err != nil {
		return nil, err
	}
	return opened, connect(opened)
}

func (l *link) close() {
	for _, opened := range l.opened {
		opened.Disconnect()
	}
}

// connect connects a socket, and waits until it is accepted.
func connect(opened *socket.Socket) error {
	accepted, refused := next(opened, "connect"), next(opened, "connect_error")
	opened.Connect()
	for late := time.After(rowTime); ; {
		select {
		case <-accepted:
			return nil
		case values := <-refused:
			if !isTimeout(values) {
				return fmt.Errorf("refused: %v", values)
			}
		case <-late:
			return errors.New("not connected in time")
		}
	}
}

// isTimeout tells whether a connect_error means that the client tries again.
func isTimeout(values []any) bool {
	err, _ := values[0].(error)
	return err != nil && err.Error() == "timeout"
}

// next returns a channel of the values of an event, each time that it comes from now on.
func next(opened *socket.Socket, event string) <-chan []any {
	came := make(chan []any, 100)
	_ = opened.On(types.EventName(event), func(values ...any) { came <- values })
	return came
}

// wait returns what comes first from a channel.
func wait(came <-chan []any, what string) ([]any, error) {
	select {
	case values := <-came:
		return values, nil
	case <-time.After(rowTime):
		return nil, fmt.Errorf("%s: nothing in time", what)
	}
}

// ask emits an event, and returns the values of its ack.
func ask(opened *socket.Socket, event string, values ...any) ([]any, error) {
	acked := make(chan []any, 1)
	var failed error
	answer := func(values []any, err error) {
		failed = err
		acked <- values
	}
	if err := opened.Emit(event, append(values, answer)...); err != nil {
		return nil, err
	}
	found, err := wait(acked, "the ack of "+event)
	if err == nil {
		err = failed
	}
	return found, err
}

// write makes a value comparable as text: its bytes in hexadecimal.
func write(value any) string {
	text, err := json.Marshal(plain(value))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func plain(value any) any {
	switch typed := value.(type) {
	case []any:
		list := make([]any, len(typed))
		for index, item := range typed {
			list[index] = plain(item)
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for key, item := range typed {
			object[key] = plain(item)
		}
		return object
	case []byte:
		return "bytes " + hex.EncodeToString(typed)
	case types.BufferInterface: // what the client makes of bytes it receives
		return "bytes " + hex.EncodeToString(typed.Bytes())
	case io.Reader:
		return fmt.Sprintf("a reader, %T", typed)
	default:
		return value
	}
}

// same compares two values.
func same(found, wanted any) error {
	if write(found) != write(wanted) {
		return fmt.Errorf("%s, not %s", write(found), write(wanted))
	}
	return nil
}

// say prints one line of JSON.
func say(line any) {
	text, _ := json.Marshal(line) // texts only
	fmt.Fprintln(os.Stdout, string(text))
}
