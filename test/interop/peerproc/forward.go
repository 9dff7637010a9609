// SPDX-License-Identifier: Apache-2.0

package peerproc

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"

	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/tools/portforward"
)

// Forward sends data through client-go's port forwarder, several connections one after another and at once.
func Forward(dialer httpstream.Dialer, name string) {
	stop, ready := make(chan struct{}), make(chan struct{})
	f, err := portforward.New(dialer, []string{"0:8080"}, stop, ready, io.Discard, os.Stderr)
	Must(err)
	over := make(chan error, 1)
	go func() { over <- f.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-over:
		Check(name, false, err)
		return
	}
	ports, err := f.GetPorts()
	Must(err)
	results := make(chan error)
	for i := 0; i < 8; i++ {
		go func() { results <- once(ports[0].Local, i) }()
	}
	for i := 0; i < 8; i++ {
		err := <-results
		Check(name, err == nil, err)
	}
	close(stop)
}

func once(port uint16, i int) error {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer c.Close()
	in := bytes.Repeat([]byte{byte(i)}, 300000)
	go func() {
		_, _ = c.Write(in)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	out, err := io.ReadAll(c)
	if err == nil && !bytes.Equal(in, out) {
		return fmt.Errorf("%d bytes came back", len(out))
	}
	return err
}
