// SPDX-License-Identifier: Apache-2.0

// grpc-go's client against our server and our client against grpc-go's server, over TCP and unix sockets.
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	p "sampan/interop/peerproc"
)

// raw passes messages as bytes.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(b)
	return nil
}
func (raw) Name() string { return "raw" }

const service = "/interop.Test/"

// ---- the server ----

func pick(ctx context.Context, prefix string) metadata.MD {
	out := metadata.MD{}
	in, _ := metadata.FromIncomingContext(ctx)
	for k, v := range in {
		if strings.HasPrefix(k, prefix) {
			out[k] = v
		}
	}
	return out
}

func unary(f func(ctx context.Context, in []byte) ([]byte, error)) grpc.MethodHandler {
	return func(_ any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var in []byte
		if err := dec(&in); err != nil {
			return nil, err
		}
		out, err := f(ctx, in)
		return &out, err
	}
}

func echo(ctx context.Context, in []byte) ([]byte, error) {
	_ = grpc.SetHeader(ctx, pick(ctx, "x-head"))
	_ = grpc.SetTrailer(ctx, pick(ctx, "x-tail"))
	return in, nil
}

func fail(_ context.Context, in []byte) ([]byte, error) {
	number, text, _ := strings.Cut(string(in), " ")
	code, _ := strconv.Atoi(number)
	return nil, status.Error(codes.Code(code), text)
}

func never(ctx context.Context, _ []byte) ([]byte, error) {
	<-ctx.Done()
	return nil, status.FromContextError(ctx.Err()).Err()
}

func each(s grpc.ServerStream, f func(b *[]byte) error) error {
	for {
		var b []byte
		if err := s.RecvMsg(&b); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := f(&b); err != nil {
			return err
		}
	}
}

func collect(_ any, s grpc.ServerStream) error {
	var all []byte
	if err := each(s, func(b *[]byte) error { all = append(all, *b...); return nil }); err != nil {
		return err
	}
	return s.SendMsg(&all)
}

func count(_ any, s grpc.ServerStream) error {
	var in []byte
	var n, size int
	if err := s.RecvMsg(&in); err != nil {
		return err
	}
	_, _ = fmt.Sscan(string(in), &n, &size)
	out := bytes.Repeat([]byte("a"), size)
	for ; n > 0; n-- {
		if err := s.SendMsg(&out); err != nil {
			return err
		}
	}
	return nil
}

func chat(_ any, s grpc.ServerStream) error {
	return each(s, func(b *[]byte) error { return s.SendMsg(b) })
}

var desc = grpc.ServiceDesc{
	ServiceName: "interop.Test",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Echo", Handler: unary(echo)},
		{MethodName: "Fail", Handler: unary(fail)},
		{MethodName: "Never", Handler: unary(never)},
	},
	Streams: []grpc.StreamDesc{
		{StreamName: "Collect", Handler: collect, ClientStreams: true},
		{StreamName: "Count", Handler: count, ServerStreams: true},
		{StreamName: "Chat", Handler: chat, ClientStreams: true, ServerStreams: true},
	},
}

func ourClient(network, address, peerAddress string) {
	l, err := net.Listen(network, address)
	p.Must(err)
	s := grpc.NewServer(grpc.ForceServerCodec(raw{}), grpc.MaxRecvMsgSize(16<<20))
	s.RegisterService(&desc, nil)
	go func() { _ = s.Serve(l) }()
	if peerAddress == "" {
		peerAddress = l.Addr().String()
	}
	cmd := exec.Command(os.Getenv("GRPC_PEER"), "call", peerAddress)
	cmd.Stderr = os.Stderr
	err = cmd.Run()
	p.Check("our client over "+network, err == nil, err)
	s.Stop()
}

// ---- the client ----

func startPeer(address string) string {
	runtime.LockOSThread() // the peer dies with the thread that started it
	cmd := exec.Command(os.Getenv("GRPC_PEER"), "serve", address)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	p.Must(err)
	p.Must(cmd.Start())
	var at string
	if _, err := fmt.Fscanf(bufio.NewReader(out), "at %s\n", &at); err != nil {
		panic(err)
	}
	return at
}

type client struct {
	*grpc.ClientConn
	name string
}

func (c client) call(ctx context.Context, method string, in []byte, opts ...grpc.CallOption) ([]byte, error) {
	var out []byte
	err := c.Invoke(ctx, service+method, &in, &out, opts...)
	return out, err
}

func (c client) check(name string, ok bool, detail ...any) {
	p.Check(name+" over "+c.name, ok, detail...)
}

func is(err error, code codes.Code, text string) bool {
	return status.Code(err) == code && (text == "" || status.Convert(err).Message() == text)
}

func unaryCalls(ctx context.Context, c client) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	good := 0
	for i := range 60 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			in := bytes.Repeat([]byte{byte(i)}, i*i*100)
			out, err := c.call(ctx, "Echo", in)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && bytes.Equal(in, out) {
				good++
			}
		}()
	}
	wg.Wait()
	c.check("60 concurrent unary calls", good == 60, good)

	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	out, err := c.call(ctx, "Echo", large)
	c.check("16 MiB both ways", err == nil && bytes.Equal(large, out), err)
	_, err = c.call(ctx, "Echo", append(large, 'x'))
	c.check("a message above the limit", is(err, codes.ResourceExhausted, "grpc: received message larger than max (16777217 vs. 16777216)"), err)

	md := metadata.Pairs("x-head", "one", "x-head", "two", "x-head-bin", "\x00\xff", "x-tail", "three, four", "x-tail-bin", "")
	var head, tail metadata.MD
	_, err = c.call(metadata.NewOutgoingContext(ctx, md), "Echo", nil, grpc.Header(&head), grpc.Trailer(&tail))
	c.check("metadata", err == nil && fmt.Sprint(head["x-head"], head["x-head-bin"], tail["x-tail"], tail["x-tail-bin"]) ==
		"[one two] [\x00\xff] [three, four] []", err, head, tail)

	for code := codes.Code(1); code <= 17; code++ {
		text := "it failed: 100% \u20ac\n\"x\""
		_, err = c.call(ctx, "Fail", []byte(fmt.Sprint(int(code), " ", text)))
		c.check(code.String(), is(err, code, text), err)
	}
	_, err = c.call(ctx, "Nothing", nil)
	c.check("unknown method", is(err, codes.Unimplemented, "unknown method Nothing for service interop.Test"), err)
	var in, none []byte
	err = c.Invoke(ctx, "/no.Such/Echo", &in, &none)
	c.check("unknown service", is(err, codes.Unimplemented, "unknown service no.Such"), err)
	_, err = c.call(ctx, "Echo", []byte("x"), grpc.UseCompressor("gzip"))
	c.check("compressed", is(err, codes.Unimplemented, "grpc: Decompressor is not installed for grpc-encoding \"gzip\""), err)
	out, err = c.call(ctx, "Uid", nil)
	if c.name == "unix" {
		c.check("credentials", err == nil && string(out) == fmt.Sprint(os.Getuid()), string(out), err)
	} else {
		c.check("no credentials", is(err, codes.Unimplemented, ""), err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	_, err = c.call(short, "Never", nil)
	cancel()
	c.check("deadline", is(err, codes.DeadlineExceeded, ""), err)
	gone, cancel := context.WithCancel(ctx)
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = c.call(gone, "Never", nil)
	c.check("cancelled", is(err, codes.Canceled, ""), err)
}

func (c client) stream(ctx context.Context, method string) grpc.ClientStream {
	s, err := c.NewStream(ctx, &grpc.StreamDesc{ClientStreams: method != "Count", ServerStreams: method != "Collect"}, service+method)
	p.Must(err)
	return s
}

func streams(ctx context.Context, c client) {
	s := c.stream(ctx, "Collect")
	var all, out []byte
	for i := range 200 {
		part := bytes.Repeat([]byte{byte('a' + i%26)}, i*20)
		all = append(all, part...)
		p.Must(s.SendMsg(&part))
	}
	p.Must(s.CloseSend())
	err := s.RecvMsg(&out)
	c.check("client stream", err == nil && bytes.Equal(all, out), err, len(out))

	s = c.stream(ctx, "Count")
	in := []byte("2000 1000")
	p.Must(s.SendMsg(&in))
	p.Must(s.CloseSend())
	n := 0
	for err = s.RecvMsg(&out); err == nil; err = s.RecvMsg(&out) {
		n += len(out)
	}
	c.check("server stream", err == io.EOF && n == 2000000, err, n)

	s = c.stream(ctx, "Chat")
	ok := true
	for i := range 100 {
		text := []byte(fmt.Sprint("message ", i))
		p.Must(s.SendMsg(&text))
		err = s.RecvMsg(&out)
		ok = ok && err == nil && bytes.Equal(text, out)
	}
	p.Must(s.CloseSend())
	err = s.RecvMsg(&out)
	c.check("both ways", ok && err == io.EOF, err)

	s = c.stream(ctx, "Chat")
	big := bytes.Repeat([]byte("b"), 50000)
	go func() {
		for range 100 {
			_ = s.SendMsg(&big)
		}
		_ = s.CloseSend()
	}()
	n = 0
	for err = s.RecvMsg(&out); err == nil; err = s.RecvMsg(&out) {
		n += len(out)
	}
	c.check("much both ways", err == io.EOF && n == 5000000, err, n)

	gone, cancel := context.WithCancel(ctx)
	s = c.stream(gone, "Chat")
	p.Must(s.SendMsg(&in))
	p.Must(s.RecvMsg(&out))
	cancel()
	err = s.RecvMsg(&out)
	c.check("cancelled stream", is(err, codes.Canceled, ""), err)

	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	s = c.stream(short, "Chat")
	err = s.RecvMsg(&out)
	cancel()
	c.check("deadline of a stream", is(err, codes.DeadlineExceeded, ""), err)
}

func ourServer(name, address string) {
	at := startPeer(address)
	if name == "tcp" {
		at = "passthrough:///" + at
	}
	conn, err := grpc.NewClient(at, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{}), grpc.MaxCallRecvMsgSize(32<<20), grpc.MaxCallSendMsgSize(32<<20)))
	p.Must(err)
	c := client{conn, name}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	unaryCalls(ctx, c)
	streams(ctx, c)
	p.Must(conn.Close())
}

// serve is the peer of bench_grpc.
func serve(address string) {
	l, err := net.Listen("unix", strings.TrimPrefix(address, "unix:"))
	p.Must(err)
	s := grpc.NewServer(grpc.ForceServerCodec(raw{}))
	s.RegisterService(&desc, nil)
	p.Must(s.Serve(l))
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		serve(os.Args[2])
	}
	dir, err := os.MkdirTemp("", "interop")
	p.Must(err)
	ourServer("tcp", "127.0.0.1:0")
	ourServer("unix", "unix:"+filepath.Join(dir, "s.sock"))
	ourClient("tcp", "127.0.0.1:0", "")
	socket := filepath.Join(dir, "c.sock")
	ourClient("unix", socket, "unix:"+socket)
	p.Must(os.RemoveAll(dir))
	p.Done()
}
