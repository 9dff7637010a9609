// SPDX-License-Identifier: Apache-2.0

// Clients of the newest client-go and controller-runtime, with their own settings, against `sampan apiserver`. KUBECONFIG names it.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

const protobuf = "application/vnd.kubernetes.protobuf"

// What went over the wire, so that a check can say how it was answered.
type seen struct {
	requests, streaming, protobuf atomic.Int64
}

type counting struct {
	next http.RoundTripper
	seen *seen
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.seen.requests.Add(1)
	if strings.Contains(r.URL.RawQuery, "sendInitialEvents=true") {
		c.seen.streaming.Add(1)
	}
	resp, err := c.next.RoundTrip(r)
	if err == nil && strings.HasPrefix(resp.Header.Get("Content-Type"), protobuf) {
		c.seen.protobuf.Add(1)
	}
	return resp, err
}

type suite struct {
	ctx            context.Context
	config         *rest.Config // JSON
	client         kubernetes.Interface
	seen           seen
	passed, failed int
}

func (s *suite) check(name string, fn func() error) {
	err := func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		return fn()
	}()
	if err == nil {
		s.passed++
		return
	}
	s.failed++
	fmt.Printf("FAIL %s: %v\n", name, err)
}

// Waits until fn is true: for what other goroutines of these clients do.
func eventually(what string, fn func() bool) error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if fn() {
			return nil
		}
	}
	return fmt.Errorf("not within 30 s: %s", what)
}

// The settings that controllers use: protobuf, no limit of their own.
func (s *suite) protobufConfig() *rest.Config {
	c := rest.CopyConfig(s.config)
	c.ContentType = protobuf
	c.AcceptContentTypes = protobuf + ",application/json"
	return c
}

func (s *suite) namespace(name string) error {
	_, err := s.client.CoreV1().Namespaces().Create(s.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	return err
}

// n jobs, `workers` at a time; the first error.
func parallel(n, workers int, fn func(i int) error) error {
	var wg sync.WaitGroup
	errs := make(chan error, n)
	jobs := make(chan int)
	for range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range jobs {
				if err := fn(i); err != nil {
					errs <- err
				}
			}
		}()
	}
	for i := range n {
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func main() {
	klog.SetOutput(os.Stderr)
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	config.QPS = -1
	s := &suite{ctx: ctx, config: config}
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper { return counting{rt, &s.seen} })
	s.client = kubernetes.NewForConfigOrDie(s.protobufConfig())
	s.clientGo()
	s.customResources()
	s.controllerRuntime()
	fmt.Printf("%d requests, %d streaming lists, %d answers in protobuf\n", s.seen.requests.Load(), s.seen.streaming.Load(), s.seen.protobuf.Load())
	fmt.Printf("%d passed, %d failed\n", s.passed, s.failed)
	if s.failed > 0 {
		os.Exit(1)
	}
}
