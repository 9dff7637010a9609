// SPDX-License-Identifier: Apache-2.0

// containerd/ttrpc's client against our server.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
	p "sampan/interop/peerproc"
)

const service = "interop.Test"

func serve(l net.Listener) {
	s, err := ttrpc.NewServer()
	p.Must(err)
	s.RegisterService(service, &ttrpc.ServiceDesc{
		Methods: map[string]ttrpc.Method{
			"Echo": func(_ context.Context, unmarshal func(any) error) (any, error) {
				var in wrapperspb.BytesValue
				return &in, unmarshal(&in)
			},
			"Fail": func(ctx context.Context, _ func(any) error) (any, error) {
				ns, _ := ttrpc.GetMetadataValue(ctx, "containerd-namespace-ttrpc")
				return nil, status.Error(codes.NotFound, "nothing in "+ns)
			},
		},
		Streams: map[string]ttrpc.Stream{
			"Chat": {StreamingClient: true, StreamingServer: true, Handler: func(_ context.Context, s ttrpc.StreamServer) (any, error) {
				for {
					var in wrapperspb.BytesValue
					if err := s.RecvMsg(&in); err == io.EOF {
						return nil, nil
					} else if err != nil {
						return nil, err
					}
					if err := s.SendMsg(&in); err != nil {
						return nil, err
					}
				}
			}},
		},
	})
	_ = s.Serve(context.Background(), l)
}

func main() {
	conn, err := net.Dial("tcp", p.Start())
	p.Must(err)
	client := ttrpc.NewClient(conn)
	ctx := context.Background()

	var wg sync.WaitGroup
	var mu sync.Mutex
	good := 0
	for i := 0; i < 50; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			in := wrapperspb.Bytes(bytes.Repeat([]byte{byte(i)}, 1+i*5000))
			var out wrapperspb.BytesValue
			err := client.Call(ctx, service, "Echo", in, &out)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && bytes.Equal(in.Value, out.Value) {
				good++
			}
		}()
	}
	wg.Wait()
	p.Check("50 concurrent unary calls", good == 50, good)

	md := ttrpc.WithMetadata(ctx, ttrpc.MD{"containerd-namespace-ttrpc": {"k8s.io"}})
	err = client.Call(md, service, "Fail", wrapperspb.String(""), &wrapperspb.StringValue{})
	p.Check("status and metadata", status.Code(err) == codes.NotFound && status.Convert(err).Message() == "nothing in namespace 'k8s.io'", err)

	err = client.Call(ctx, service, "Nothing", wrapperspb.String(""), &wrapperspb.StringValue{})
	p.Check("unknown method", status.Code(err) == codes.Unimplemented && status.Convert(err).Message() == "method Nothing", err)
	err = client.Call(ctx, "no.Such", "Echo", wrapperspb.String(""), &wrapperspb.StringValue{})
	p.Check("unknown service", status.Code(err) == codes.Unimplemented, err)

	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	err = client.Call(short, service, "Hang", wrapperspb.String(""), &wrapperspb.StringValue{})
	cancel()
	p.Check("deadline", err != nil, err)

	desc := &ttrpc.StreamDesc{StreamingClient: true, StreamingServer: true}
	stream, err := client.NewStream(ctx, desc, service, "Chat", nil)
	p.Must(err)
	ok := true
	for i := 0; i < 100; i++ {
		p.Must(stream.SendMsg(wrapperspb.String(fmt.Sprint("message ", i))))
		var out wrapperspb.StringValue
		err := stream.RecvMsg(&out)
		ok = ok && err == nil && out.Value == fmt.Sprint("message ", i)
	}
	p.Must(stream.CloseSend())
	err = stream.RecvMsg(&wrapperspb.StringValue{})
	p.Check("streaming both ways", ok && err != nil && err.Error() == "EOF", err)

	p.Client("ttrpc", serve)

	start := time.Now()
	const calls = 20000
	for i := 0; i < calls; i++ {
		p.Must(client.Call(ctx, service, "Echo", wrapperspb.Int64(1), &wrapperspb.Int64Value{}))
	}
	fmt.Printf("%.0f sequential unary calls/s over TCP with the sanitized peer\n", calls/time.Since(start).Seconds())
	p.Done()
}
