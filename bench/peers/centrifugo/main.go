// Command sluice-bench-centrifugo is centrifuge, the engine of Centrifugo, as a subject of the
// benchmark: channels in place of rooms and an RPC in place of an event with ack, commanded as
// bench/subjects/host.ts is. It speaks Centrifugo's own JSON protocol.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
)

// everyone is the channel that stands for the namespace.
const everyone = "everyone"

type roomsKey struct{}

type subject struct {
	node *centrifuge.Node
	port int
}

// start listens on a port of its own. A connection is subscribed to the channels that its query
// names as rooms.
func start(args json.RawMessage) (*subject, error) {
	var options struct {
		PingIntervalMs int `json:"pingIntervalMs"`
	}
	if err := json.Unmarshal(args, &options); err != nil {
		return nil, err
	}

	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(func(ctx context.Context, _ centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		channels := map[string]centrifuge.SubscribeOptions{everyone: {}}
		rooms, _ := ctx.Value(roomsKey{}).(string)
		for _, room := range strings.Split(rooms, ".") {
			if room != "" {
				channels[room] = centrifuge.SubscribeOptions{}
			}
		}
		who := &centrifuge.Credentials{}
		return centrifuge.ConnectReply{Credentials: who, Subscriptions: channels}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnRPC(func(event centrifuge.RPCEvent, answer centrifuge.RPCCallback) {
			answer(centrifuge.RPCReply{Data: event.Data}, nil)
		})
	})
	if err := node.Run(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	sockets := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		// Zero is the default, 25 s.
		PingPongConfig: centrifuge.PingPongConfig{
			PingInterval: time.Duration(options.PingIntervalMs) * time.Millisecond,
		},
	})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), roomsKey{}, r.URL.Query().Get("rooms"))
		sockets.ServeHTTP(w, r.WithContext(ctx))
	})
	go func() { _ = http.Serve(listener, handler) }()
	return &subject{node: node, port: listener.Addr().(*net.TCPAddr).Port}, nil
}

// emit publishes a body to the channel of a room, or of everyone.
func (s *subject) emit(shape string, body string) {
	channel := everyone
	if shape == "room" {
		channel = "r"
	}
	// A body is plain ASCII without quotes or backslashes, so quoted it is JSON.
	if _, err := s.node.Publish(channel, []byte(`"`+body+`"`)); err != nil {
		panic(err)
	}
}

func about() map[string]string {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/centrifugal/centrifuge" {
				version = module.Version
			}
		}
	}
	return map[string]string{
		"centrifuge": version,
		"go":         fmt.Sprintf("%s, GOMAXPROCS %d", runtime.Version(), runtime.GOMAXPROCS(0)),
		"protocol":   "its own, JSON",
	}
}

func main() {
	calls := openChannel()
	credit := newCredit()
	var started *subject
	for call := range calls {
		if call.Method == "start" {
			one, err := start(call.Args)
			if err != nil {
				call.fail(err.Error())
				continue
			}
			started = one
			call.answer(map[string]any{"port": one.port, "about": about()})
			continue
		}
		if started == nil {
			call.fail("the subject has not been started")
			continue
		}
		go serve(call, started, credit)
	}
}

func serve(call call, s *subject, credit *credit) {
	switch call.Method {
	case "credit":
		call.answer(credit.listen())
	case "saturate":
		call.answer(saturate(call.Args, s, credit))
	case "pace":
		call.answer(pace(call.Args, s))
	case "connections":
		call.answer(s.node.Hub().NumClients())
	case "usage":
		call.answer(usage(call.Args))
	default:
		call.fail("there is no such method")
	}
}
