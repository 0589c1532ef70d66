// Command chat is the chat of ../chat.ts in Go: a function without Sluice's SDK.
//
// The gateway calls POST /call. POST /news sends news to everyone through the gateway's HTTP API.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	bodyBytesMax = 4_194_304
	answersMax   = 10_000
)

// reply is the answer to one call, with its status.
type reply struct {
	status int
	body   any
}

// function answers calls, and remembers its answers.
type function struct {
	// The gateway's upstream.secrets; several during a rotation.
	secrets []*standardwebhooks.Webhook

	mutex   sync.Mutex
	replies map[string]reply
	ids     []string
}

func (f *function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if err != nil {
		respond(w, reply{http.StatusRequestEntityTooLarge, refusal{Message: "the body is too large"}})
		return
	}
	if !f.isSigned(body, r.Header) {
		respond(w, reply{http.StatusBadRequest, refusal{Message: "the signature fits none of the secrets"}})
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	message := cehttp.NewMessageFromHttpRequest(r)
	if message.ReadEncoding() == binding.EncodingBatch {
		events, err := cehttp.NewEventsFromHTTPRequest(r)
		if err != nil {
			respond(w, reply{http.StatusBadRequest, refusal{Message: err.Error()}})
			return
		}
		respond(w, reply{http.StatusOK, f.handleBatch(events)})
		return
	}
	one, err := binding.ToEvent(r.Context(), message)
	if err != nil || one.ID() != r.Header.Get(standardwebhooks.HeaderWebhookID) {
		respond(w, reply{http.StatusBadRequest, refusal{Message: "ce-id is not the webhook-id"}})
		return
	}
	// Attributes in headers are percent-encoded.
	if subject, err := url.PathUnescape(one.Subject()); err == nil {
		fmt.Println(one.Type(), subject)
	}
	done, err := f.handle(*one)
	if err != nil {
		// The gateway retries the call unless a client waits for the answer.
		log.Print(err)
		done = reply{http.StatusInternalServerError, refusal{Message: "the function failed"}}
	}
	respond(w, done)
}

func (f *function) isSigned(body []byte, headers http.Header) bool {
	for _, secret := range f.secrets {
		if secret.Verify(body, headers) == nil {
			return true
		}
	}
	return false
}

// handle returns the answer to a call. A repeated call gets the same answer again.
func (f *function) handle(e event.Event) (reply, error) {
	f.mutex.Lock()
	known, ok := f.replies[e.ID()]
	f.mutex.Unlock()
	if ok {
		return known, nil
	}
	var c call
	if err := json.Unmarshal(e.Data(), &c); err != nil {
		return reply{}, err
	}
	done := reply{status: http.StatusOK}
	said, err := run(c)
	var no *refusal
	switch {
	case errors.As(err, &no) && c.Socket.Handshake != nil:
		done = reply{http.StatusForbidden, no}
	case errors.As(err, &no):
		done = reply{http.StatusUnprocessableEntity, no}
	case err != nil:
		return reply{}, err
	default:
		done.body = said
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.replies[e.ID()] = done
	f.ids = append(f.ids, e.ID())
	if len(f.ids) > answersMax {
		delete(f.replies, f.ids[0])
		f.ids = f.ids[1:]
	}
	return done, nil
}

// batchAnswer has the events of a batch that failed, and the answers to the others.
type batchAnswer struct {
	Answers []batchedAnswer `json:"answers,omitempty"`
	Failed  []failedEvent   `json:"failed,omitempty"`
}

type batchedAnswer struct {
	ID string `json:"id"`
	answer
}

type failedEvent struct {
	ID    string `json:"id"`
	Retry bool   `json:"retry"`
}

func (f *function) handleBatch(events []event.Event) batchAnswer {
	var all batchAnswer
	stuck := map[string]bool{}
	for _, one := range events {
		// Events of one socket stay in order: later ones wait for the one that failed.
		if stuck[one.Source()] {
			all.Failed = append(all.Failed, failedEvent{one.ID(), true})
			continue
		}
		done, err := f.handle(one)
		said, ok := done.body.(answer)
		if err != nil {
			log.Print(err)
			stuck[one.Source()] = true
		}
		if ok {
			all.Answers = append(all.Answers, batchedAnswer{one.ID(), said})
		} else {
			all.Failed = append(all.Failed, failedEvent{one.ID(), err != nil})
		}
	}
	return all
}

func respond(w http.ResponseWriter, done reply) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(done.status)
	if err := json.NewEncoder(w).Encode(done.body); err != nil {
		log.Print(err)
	}
}

// sendNews emits to everyone, outside of any call.
func sendNews(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	body, _ := json.Marshal(command{Do: "emit", Event: "news", Args: []any{string(text)}})
	request, err := http.NewRequestWithContext(
		r.Context(), http.MethodPost, os.Getenv("SLUICE_URL")+"/v1/commands", bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("SLUICE_KEY"))
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		http.Error(w, response.Status, http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func main() {
	f := &function{replies: map[string]reply{}}
	for _, secret := range strings.Split(os.Getenv("SLUICE_SECRET"), ",") {
		webhook, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			log.Fatal(err)
		}
		f.secrets = append(f.secrets, webhook)
	}
	http.Handle("POST /call", f)
	http.HandleFunc("POST /news", sendNews)
	listener, err := net.Listen("tcp", address())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on port", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, nil))
}

func address() string {
	host, port := os.Getenv("HOST"), os.Getenv("PORT")
	if host == "" {
		host = "127.0.0.1"
	}
	if port == "" {
		port = "8787"
	}
	return net.JoinHostPort(host, port)
}
