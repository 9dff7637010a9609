// SPDX-License-Identifier: Apache-2.0

// Our CEL engine against the conformance data of the CEL specification and against cel-go as the API server uses it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

type peer struct {
	in  io.Writer
	out *bufio.Reader
}

func start(path string) (*peer, error) {
	cmd := exec.Command(path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &peer{in, bufio.NewReaderSize(out, 1<<20)}, cmd.Start()
}

func (p *peer) ask(r caseRequest) answer {
	return p.askAny(r, r.Expr)
}

func (p *peer) askAny(r any, expr string) answer {
	line, err := json.Marshal(r)
	if err == nil {
		_, err = p.in.Write(append(line, '\n'))
	}
	var a answer
	if err == nil {
		line, err = p.out.ReadBytes('\n')
	}
	if err == nil {
		err = json.Unmarshal(line, &a)
	}
	if err != nil {
		fmt.Printf("the peer ended: %v on %q\n", err, expr)
		os.Exit(1)
	}
	return a
}

func main() {
	p, err := start(filepath.Join(os.Getenv("PEERS"), "cel"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	passed, failed := 0, 0
	if dir := os.Getenv("CEL_SPEC"); dir == "" {
		fmt.Println("CEL_SPEC does not name the folder tests/simple/testdata of cel-spec: conformance skipped")
	} else {
		passed, failed = conformance(p, dir)
	}
	for _, run := range []func(*peer) (int, int){differential, crdRules} {
		good, bad := run(p)
		passed += good
		failed += bad
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
