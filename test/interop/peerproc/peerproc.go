// SPDX-License-Identifier: Apache-2.0

// Package peerproc starts the C peer and counts checks.
package peerproc

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

var passed, failed int

// Start runs the program named by PEER and returns its address.
func Start() string {
	runtime.LockOSThread() // the peer dies with the thread that started it
	cmd := exec.Command(os.Getenv("PEER"))
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
