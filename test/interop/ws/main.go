// SPDX-License-Identifier: Apache-2.0

// gorilla/websocket's client, and client-go's remote command over WebSocket, against our server.
package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	clientexec "k8s.io/client-go/util/exec"
	p "sampan/interop/peerproc"
)

func echo(addr string) {
	c, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/echo", nil)
	p.Must(err)
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 3 << 20} {
		for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} {
			in := bytes.Repeat([]byte("x"), n)
			p.Must(c.WriteMessage(kind, in))
			k, out, err := c.ReadMessage()
			p.Check("echo", err == nil && k == kind && bytes.Equal(in, out), kind, n, err)
		}
	}
	w, err := c.NextWriter(websocket.BinaryMessage) // several frames
	p.Must(err)
	for i := 0; i < 100; i++ {
		_, err = w.Write(bytes.Repeat([]byte{byte(i)}, 1000))
		p.Must(err)
	}
	p.Must(w.Close())
	_, out, err := c.ReadMessage()
	p.Check("fragmented message", err == nil && len(out) == 100000, err)

	pong := ""
	c.SetPongHandler(func(s string) error { pong = s; return nil })
	p.Must(c.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(time.Second)))
	p.Must(c.WriteMessage(websocket.TextMessage, []byte("x")))
	_, _, err = c.ReadMessage()
	p.Check("ping", err == nil && pong == "are you there", pong)

	p.Must(c.WriteMessage(websocket.TextMessage, []byte{0xff}))
	_, _, err = c.ReadMessage()
	p.Check("bad UTF-8 is 1007", websocket.IsCloseError(err, websocket.CloseInvalidFramePayloadData), err)

	c, _, err = websocket.DefaultDialer.Dial("ws://"+addr+"/echo", nil)
	p.Must(err)
	p.Must(c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "enough"), time.Now().Add(time.Second)))
	_, _, err = c.ReadMessage()
	p.Check("close is answered", websocket.IsCloseError(err, 4001), err)
}

func exec(addr, query string, tty bool, in string) (string, string, error) {
	u := "http://" + addr + "/exec?" + query
	e, err := remotecommand.NewWebSocketExecutor(&rest.Config{Host: addr}, "GET", u)
	p.Must(err)
	var out, errOut bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	o := remotecommand.StreamOptions{Stdin: strings.NewReader(in), Stdout: &out, Tty: tty}
	if !tty {
		o.Stderr = &errOut
	}
	err = e.StreamWithContext(ctx, o)
	return out.String(), errOut.String(), err
}

func main() {
	addr := p.Start()
	echo(addr)
	big := strings.Repeat("0123456789abcdef", 1<<16)
	for _, in := range []string{"", "hello\n", big} {
		out, errOut, err := exec(addr, "", false, in)
		p.Check("client-go exec over WebSocket", err == nil && out == in && errOut == "done\n", len(in), len(out), errOut, err)
	}
	_, _, err := exec(addr, "exit=7", false, "x")
	var code clientexec.CodeExitError
	p.Check("exit code over WebSocket", errors.As(err, &code) && code.Code == 7, err)
	out, _, err := exec(addr, "tty=true", true, "tty")
	p.Check("tty over WebSocket", err == nil && out == "tty", out, err)

	u, err := url.Parse("http://" + addr + "/tunnel")
	p.Must(err)
	dialer, err := portforward.NewSPDYOverWebsocketDialer(u, &rest.Config{Host: addr})
	p.Must(err)
	p.Forward(dialer, "port-forward through the tunnel")
	p.Client("ws", func(l net.Listener) {
		var u websocket.Upgrader
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := u.Upgrade(w, r, nil)
			p.Must(err)
			for {
				kind, bytes, err := c.ReadMessage()
				if err != nil {
					_ = c.Close()
					return
				}
				p.Must(c.WriteMessage(kind, bytes))
			}
		}))
	})
	p.Done()
}
