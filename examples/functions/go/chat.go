package main

import "encoding/json"

// The chat of ../chat.ts: each handler returns an answer.

// socket is the socket that a call is about.
type socket struct {
	ID        string     `json:"id"`
	Namespace string     `json:"namespace"`
	UserID    string     `json:"userId"`
	Data      data       `json:"data"`
	Handshake *handshake `json:"handshake"`
}

// data is what this function stores about a socket, in socket.data.
type data struct {
	Name string `json:"name,omitempty"`
	Said int    `json:"said"`
}

type handshake struct {
	Auth json.RawMessage `json:"auth"`
}

// call is the body of any call. Its kind follows from the members that are present.
type call struct {
	Socket socket            `json:"socket"`
	Event  *string           `json:"event"`
	Args   []json.RawMessage `json:"args"`
	Ack    bool              `json:"ack"`
	Reason *string           `json:"reason"`
}

// command is what the gateway should do; see Sluice's http-api.md.
type command struct {
	Do       string   `json:"do"`
	To       []string `json:"to,omitempty"`
	In       []string `json:"in,omitempty"`
	Except   []string `json:"except,omitempty"`
	Rooms    []string `json:"rooms,omitempty"`
	Event    string   `json:"event,omitempty"`
	Args     []any    `json:"args,omitempty"`
	Volatile bool     `json:"volatile,omitempty"`
	AfterMs  int      `json:"afterMs,omitempty"`
	Key      string   `json:"key,omitempty"`
}

// answer is the answer to a call. Data is a merge patch: the next call of the socket has it.
type answer struct {
	UserID   string    `json:"userId,omitempty"`
	Data     *data     `json:"data,omitempty"`
	Rooms    []string  `json:"rooms,omitempty"`
	Ack      []any     `json:"ack,omitempty"`
	Commands []command `json:"commands,omitempty"`
}

// refusal refuses a client or an event. The gateway does not retry a refused call.
type refusal struct {
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (r *refusal) Error() string { return r.Message }

// run returns the answer to a call. Its kind is read from the body, which is signed.
func run(c call) (answer, error) {
	switch {
	case c.Socket.Handshake != nil:
		return connect(c)
	case c.Reason != nil:
		left := []any{c.Socket.UserID, c.Socket.Data.Said}
		return answer{Commands: []command{{Do: "emit", To: []string{"lobby"}, Event: "left", Args: left}}}, nil
	case c.Event == nil:
		return answer{}, nil
	}
	switch *c.Event {
	case "join":
		return join(c)
	case "message":
		return message(c)
	case "typing":
		return typing(c)
	}
	if c.Ack {
		return answer{}, &refusal{Message: "there is no handler for the event " + *c.Event}
	}
	return answer{}, nil
}

func connect(c call) (answer, error) {
	var auth struct {
		Name string `json:"name"`
	}
	// If auth has another shape, the name stays empty.
	_ = json.Unmarshal(c.Socket.Handshake.Auth, &auth)
	if auth.Name == "" || len(auth.Name) > 100 {
		return answer{}, &refusal{"tell us your name", map[string]string{"field": "name"}}
	}
	return answer{UserID: auth.Name, Data: &data{Name: auth.Name}, Rooms: []string{"lobby"}}, nil
}

func join(c call) (answer, error) {
	room, err := textOf(c, 0, 100)
	if err != nil {
		return answer{}, err
	}
	return answer{
		Ack: []any{"welcome to " + room},
		Commands: []command{
			{Do: "socketsJoin", In: []string{c.Socket.ID}, Rooms: []string{room}},
			emit(c, room, "joined", room, c.Socket.UserID),
		},
	}, nil
}

func message(c call) (answer, error) {
	room, err := textOf(c, 0, 100)
	if err != nil {
		return answer{}, err
	}
	text, err := textOf(c, 1, 1000)
	if err != nil {
		return answer{}, err
	}
	return answer{
		Ack: []any{map[string]bool{"delivered": true}},
		Commands: []command{
			emit(c, room, "message", room, c.Socket.UserID, text),
			{Do: "cancel", Key: typingOf(c)},
		},
		Data: &data{Said: c.Socket.Data.Said + 1},
	}, nil
}

func typing(c call) (answer, error) {
	room, err := textOf(c, 0, 100)
	if err != nil {
		return answer{}, err
	}
	now := emit(c, room, "typing", room, c.Socket.UserID)
	now.Volatile = true
	// A function has no timers, so the gateway emits this later, unless `cancel` comes first.
	// A new command with the same key replaces this one.
	later := emit(c, room, "paused", room, c.Socket.UserID)
	later.AfterMs, later.Key = 5000, typingOf(c)
	return answer{Commands: []command{now, later}}, nil
}

func typingOf(c call) string { return "typing:" + c.Socket.ID }

func emit(c call, room, event string, args ...any) command {
	return command{
		Do: "emit", To: []string{room}, Except: []string{c.Socket.ID}, Event: event, Args: args,
	}
}

// textOf returns an argument that must be a text. A missing argument is not one.
func textOf(c call, at, bytesMax int) (string, error) {
	var text string
	if at < len(c.Args) {
		_ = json.Unmarshal(c.Args[at], &text)
	}
	if text == "" {
		return "", &refusal{Message: "that is no text"}
	}
	if len(text) > bytesMax {
		return "", &refusal{Message: "that is too long"}
	}
	return text, nil
}
