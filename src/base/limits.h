/* SPDX-License-Identifier: Apache-2.0 */
/* Hard ceilings. Each is the upstream project's own default where it has one. */
#pragma once

#define SP_LIMIT_REQUEST_BODY_BYTES ((size_t)3 << 20)  /* kube-apiserver --max-request-body */
#define SP_LIMIT_STORED_VALUE_BYTES ((size_t)3 << 19)  /* 1.5 MiB, etcd --max-request-bytes */
#define SP_LIMIT_NAME_BYTES 253u                       /* RFC 1123 subdomain */
#define SP_LIMIT_LABEL_VALUE_BYTES 63u                 /* RFC 1123 label */
#define SP_LIMIT_ANNOTATIONS_BYTES ((size_t)256 << 10) /* keys plus values of one object */
#define SP_LIMIT_HTTP_HEADER_BYTES ((size_t)64 << 10)  /* one header block, names plus values */
#define SP_LIMIT_HTTP_HEADERS 256u                     /* fields in one header block */
#define SP_LIMIT_HTTP_TARGET_BYTES ((size_t)16 << 10)  /* request target */
#define SP_LIMIT_HTTP2_STREAMS 250u                    /* concurrent streams, as golang.org/x/net/http2 */
#define SP_LIMIT_JSON_DEPTH 512u                       /* nesting of arrays and objects */
#define SP_LIMIT_YAML_NODES 200000u                    /* after alias expansion */
#define SP_LIMIT_WATCH_QUEUE_EVENTS 1000u              /* then the watch is closed */
#define SP_LIMIT_WATCH_QUEUE_BYTES ((size_t)16 << 20)  /* of records in it; then the watch is closed */
#define SP_LIMIT_STORE_RESOURCE_BYTES 400u /* resource part of a storage key: group, plural, slashes */
#define SP_LIMIT_STORE_REST_BYTES 400u     /* namespace/name; with a revision it fits LMDB's 511 */
#define SP_LIMIT_STORE_TXN_OPS 128u        /* etcd --max-txn-ops */
#define SP_LIMIT_RECORD_HEADER_BYTES ((size_t)512 << 10)    /* labels and selectable fields of one object */
#define SP_LIMIT_GRPC_MESSAGE_BYTES ((size_t)16 << 20)      /* containerd's CRI default */
#define SP_LIMIT_TTRPC_MESSAGE_BYTES ((size_t)4 << 20)      /* ttrpc messageLengthMax */
#define SP_LIMIT_WEBSOCKET_MESSAGE_BYTES ((size_t)16 << 20) /* one reassembled message */
#define SP_LIMIT_WORK_QUEUE 256u                            /* jobs waiting for a worker */
