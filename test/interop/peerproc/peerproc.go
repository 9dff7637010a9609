// SPDX-License-Identifier: Apache-2.0

// Package peerproc starts the C peer and counts checks.
package peerproc

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

var passed, failed int

// Start runs our server and returns its address.
func Start() string {
	runtime.LockOSThread() // the peer dies with the thread that started it
	cmd := exec.Command(filepath.Join(os.Getenv("PEERS"), "peer"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	Must(err)
	Must(cmd.Start())
	var port int
	if _, err := fmt.Fscanf(bufio.NewReader(out), "port %d\n", &port); err != nil {
		panic(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// Client runs our client of a protocol against a server that serves the connections of a listener.
func Client(protocol string, serve func(net.Listener)) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Must(err)
	go serve(l)
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	cmd := exec.Command(filepath.Join(os.Getenv("PEERS"), "client"), protocol, port)
	cmd.Stderr = os.Stderr
	err = cmd.Run()
	Check("our client of "+protocol, err == nil, err)
	_ = l.Close()
}

// Must stops the run on an error that no check is about.
func Must(err error) {
	if err != nil {
		panic(err)
	}
}

// Check counts one result and says what failed.
func Check(name string, ok bool, detail ...any) {
	if ok {
		passed++
		return
	}
	failed++
	fmt.Println("FAIL", name, fmt.Sprint(detail...))
}

// Done prints the closing line and ends the process.
func Done() {
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 || passed == 0 {
		os.Exit(1)
	}
	os.Exit(0)
}
