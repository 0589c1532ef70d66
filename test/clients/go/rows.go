package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zishang520/socket.io/clients/engine/v3"
	"github.com/zishang520/socket.io/clients/socket/v3"
	server "github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

// The row upgrade would not have the same result on every run.
var errUnsteady = notOffered("Its long-polling cannot send while a poll is open.")

// A row returns the client's word for the end of the connection, if it is about that.
type row struct {
	name string
	run  func(*link) (string, error)
}

var rows = []row{
	{"websocket", func(l *link) (string, error) { return "", transport(l, socket.WebSocket) }},
	{"polling", func(l *link) (string, error) { return "", transport(l, socket.Polling) }},
	{"upgrade", func(*link) (string, error) { return "", errUnsteady }},
	{"auth", auth},
	{"ack-to-server", ackToServer},
	{"ack-to-client", ackToClient},
	{"binary-to-server", func(l *link) (string, error) { return "", bytes(l, sendsBytes) }},
	{"binary-to-client", func(l *link) (string, error) { return "", bytes(l, receivesBytes) }},
	{"binary-polling", func(l *link) (string, error) {
		if err := bytes(l, sendsBytes, socket.Polling); err != nil {
			return "", err
		}
		return "", bytes(l, receivesBytes, socket.Polling)
	}},
	{"rooms", func(l *link) (string, error) {
		return "", talks(l, map[string]any{
			"text": "tëxt 😀", "number": 42, "list": []any{true, nil, map[string]any{"x": "y"}},
		})
	}},
	{"rooms-binary", func(l *link) (string, error) {
		return "", talks(l, map[string]any{"bytes": up(), "nested": []any{down()}})
	}},
	{"namespace", namespace},
	{"namespace-refused", namespaceRefused},
	{"server-disconnect", serverDisconnect},
	{"client-disconnect", clientDisconnect},
	{"reconnect-after-close", func(l *link) (string, error) { return comesBack(l, "close-me") }},
	{"reconnect-after-cut", func(l *link) (string, error) { return comesBack(l, "cut-me") }},
}

func up() []byte {
	all := make([]byte, 256)
	for index := range all {
		all[index] = byte(index)
	}
	return all
}

func down() []byte {
	all := up()
	slices.Reverse(all)
	return all
}

func transport(l *link, allowed engine.TransportCtor) error {
	opened, err := l.connect(allowed)
	if err != nil {
		return err
	}
	found, err := ask(opened, "transport")
	if err != nil {
		return err
	}
	return same(found, []any{allowed.Name(), allowed.Name()})
}

func isRefused(l *link, namespace, token, message string, code any) error {
	opened, err := l.open(namespace, l.options(token))
	if err != nil {
		return err
	}
	refused := next(opened, "connect_error")
	opened.Connect()
	values, err := wait(refused, "connect_error")
	for err == nil && isTimeout(values) {
		values, err = wait(refused, "connect_error")
	}
	if err != nil {
		return err
	}
	var extended *types.ExtendedError
	cause, _ := values[0].(error)
	if !errors.As(cause, &extended) {
		return fmt.Errorf("the error is %q, not %q", cause, message)
	}
	data, _ := extended.Data.(map[string]any)
	return same([]any{extended.Message, data["code"]}, []any{message, code})
}

func auth(l *link) (string, error) {
	err := isRefused(l, "", "", "A token is required", "AUTH_REQUIRED")
	return "", errors.Join(err,
		isRefused(l, "", "wrong", "The token is not valid here", "AUTH_INVALID"))
}

func ackToServer(l *link) (string, error) {
	opened, err := l.connect()
	if err != nil {
		return "", err
	}
	values := []any{"tëxt 😀", 42, -0.5, true, nil, map[string]any{
		"list": []any{1, []any{"two"}}, "deep": map[string]any{"er": "x"},
	}}
	found, err := ask(opened, "echo", values...)
	return "", errors.Join(err, same(found, values))
}

func ackToClient(l *link) (string, error) {
	opened, err := l.connect()
	if err != nil {
		return "", err
	}
	_ = opened.On("question", func(values ...any) {
		values[1].(server.Ack)([]any{map[string]any{"answer": values[0]}}, nil)
	})
	found, err := ask(opened, "ask", "why?")
	return "", errors.Join(err, same(found, []any{map[string]any{"answer": "why?"}}))
}

func bytes(l *link, run func(*socket.Socket) error, allowed ...engine.TransportCtor) error {
	opened, err := l.connect(allowed...)
	if err != nil {
		return err
	}
	return run(opened)
}

func nested(bytes []byte) any {
	return map[string]any{"nested": map[string]any{"list": []any{bytes}}}
}

func sendsBytes(opened *socket.Socket) error {
	found, err := ask(opened, "hex", up(), nested(down()))
	if err != nil {
		return err
	}
	return same(found, []any{[]any{fmt.Sprintf("%x", up()), fmt.Sprintf("%x", down())}})
}

func receivesBytes(opened *socket.Socket) error {
	came := next(opened, "bytes")
	acked, err := ask(opened, "bytes")
	if err != nil {
		return err
	}
	emitted, err := wait(came, "bytes")
	wanted := []any{up(), nested(down())}
	return errors.Join(err, same(emitted, wanted), same(acked, wanted))
}

func talks(l *link, payload any) error {
	opened, err := l.connect()
	if err != nil {
		return err
	}
	heard := make(chan []any, 10)
	_ = opened.On("heard", func(values ...any) { heard <- values })
	if _, err := ask(opened, "join", "mixed"); err != nil {
		return err
	}
	if err := opened.Emit("say", "mixed", payload); err != nil {
		return err
	}
	first, err := wait(heard, "heard")
	if err != nil {
		return err
	}
	// Were it told twice, the second one would be here before this answer.
	if _, err := ask(opened, "echo"); err != nil {
		return err
	}
	if len(heard) > 0 {
		return errors.New("heard twice")
	}
	return same(first, []any{payload})
}

func namespace(l *link) (string, error) {
	opened, err := l.connect()
	if err != nil {
		return "", err
	}
	second := opened.Io().Socket("/second", l.options(l.token))
	if err := connect(second); err != nil {
		return "", err
	}
	for text, namespace := range map[string]*socket.Socket{"first": opened, "second": second} {
		found, err := ask(namespace, "echo", text)
		if err := errors.Join(err, same(found, []any{text})); err != nil {
			return "", err
		}
	}
	return "", nil
}

func namespaceRefused(l *link) (string, error) {
	err := isRefused(l, "/refused", l.token, "Nobody may enter", "CLOSED")
	return "", errors.Join(err, isRefused(l, "/nowhere", l.token, "Invalid namespace", nil))
}

func serverDisconnect(l *link) (string, error) {
	opened, err := l.connect(socket.WebSocket)
	if err != nil {
		return "", err
	}
	gone := next(opened, "disconnect")
	_ = opened.Emit("leave-me")
	// The reason is "io server disconnect" or "transport close", by which one is read first.
	if _, err := wait(gone, "disconnect"); err != nil {
		return "", err
	}
	// With another socket: this one may begin to connect by itself at the same time, and miss both.
	again, err := l.connect(socket.WebSocket)
	if err != nil {
		return "", err
	}
	found, err := ask(again, "echo", 1)
	return "", errors.Join(err, same(found, []any{1}))
}

func clientDisconnect(l *link) (string, error) {
	opened, err := l.connect(socket.WebSocket)
	if err != nil {
		return "", err
	}
	gone := next(opened, "disconnect")
	opened.Disconnect()
	values, err := wait(gone, "disconnect")
	if err != nil {
		return "", err
	}
	return fmt.Sprint(values[0]), nil
}

func comesBack(l *link, event string) (string, error) {
	opened, err := l.connect(socket.WebSocket)
	if err != nil {
		return "", err
	}
	gone, back := next(opened, "disconnect"), next(opened, "connect")
	_ = opened.Emit(event)
	values, err := wait(gone, "disconnect")
	if err != nil {
		return "", err
	}
	if _, err := wait(back, "the reconnection"); err != nil {
		return "", err
	}
	found, err := ask(opened, "echo", 1)
	return fmt.Sprint(values[0]), errors.Join(err, same(found, []any{1}))
}
