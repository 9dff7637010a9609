// SPDX-License-Identifier: Apache-2.0

// moby/spdystream, and client-go's remote command and port-forward over SPDY, against our server.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/moby/spdystream"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	clientexec "k8s.io/client-go/util/exec"
	p "sampan/interop/peerproc"
)

func streams(addr string) {
	conn, err := net.Dial("tcp", addr)
	p.Must(err)
	fmt.Fprintf(conn, "POST /streams HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
	var head []byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		b := make([]byte, 1)
		_, err := conn.Read(b)
		p.Must(err)
		head = append(head, b[0])
	}
	c, err := spdystream.NewConnection(conn, false)
	p.Must(err)
	go c.Serve(spdystream.NoOpStreamHandler)
	_, err = c.Ping()
	p.Check("ping", err == nil, err)
	results := make(chan error)
	const n = 100
	for i := 0; i < n; i++ {
		go func() {
			s, err := c.CreateStream(http.Header{"Streamtype": {"data"}, "Number": {fmt.Sprint(i)}}, nil, false)
			if err != nil {
				results <- err
				return
			}
			in := bytes.Repeat([]byte{byte(i)}, 100000)
			go func() {
				_, _ = s.Write(in)
				_ = s.Close()
			}()
			out, err := io.ReadAll(s)
			if err == nil && !bytes.Equal(in, out) {
				err = fmt.Errorf("%d bytes came back", len(out))
			}
			results <- err
		}()
	}
	for i := 0; i < n; i++ {
		err := <-results
		p.Check("stream of spdystream", err == nil, err)
	}
	s, err := c.CreateStream(http.Header{"Streamtype": {"data"}}, nil, false)
	p.Check("stream after many", err == nil, err)
	p.Check("reset", s.Reset() == nil)
	p.Check("close", c.Close() == nil)
}

func exec(addr, query string, tty bool, in string) (string, string, error) {
	u, err := url.Parse("http://" + addr + "/exec?" + query)
	p.Must(err)
	e, err := remotecommand.NewSPDYExecutor(&rest.Config{Host: addr}, "POST", u)
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
	streams(addr)
	for _, in := range []string{"", "hello\n", strings.Repeat("0123456789abcdef", 1<<16)} {
		out, errOut, err := exec(addr, "", false, in)
		p.Check("client-go exec", err == nil && out == in && errOut == "done\n", len(in), len(out), errOut, err)
	}
	_, _, err := exec(addr, "exit=3", false, "x")
	var code clientexec.CodeExitError
	p.Check("exit code", errors.As(err, &code) && code.Code == 3, err)
	out, _, err := exec(addr, "tty=true", true, "tty")
	p.Check("tty", err == nil && out == "tty", out, err)

	transport, upgrader, err := spdy.RoundTripperFor(&rest.Config{Host: addr})
	p.Must(err)
	u, err := url.Parse("http://" + addr + "/forward")
	p.Must(err)
	p.Forward(spdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", u), "client-go port-forward")
	p.Client("spdy", func(l net.Listener) {
		conn, err := l.Accept()
		p.Must(err)
		c, err := spdystream.NewConnection(conn, true)
		p.Must(err)
		c.Serve(spdystream.MirrorStreamHandler)
	})
	p.Done()
}
