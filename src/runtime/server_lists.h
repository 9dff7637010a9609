/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Stream… forms of CRI's lists: the same request, the same items, in as many messages as it takes, so
 * that a node of any size fits. U: kubernetes/cri-api api.proto, KEP-5825.
 */
#pragma once

#include "contracts/cri.h"
#include "io/grpc.h"

typedef struct cri_list_stream {
	sp_str name;        /* "StreamContainers" */
	sp_cri_method list; /* whose request and items it has; of the same service */
} cri_list_stream;
#define CRI_LIST_STREAMS 6u
extern const cri_list_stream cri_list_streams[CRI_LIST_STREAMS];

/* A call of the form `which`; it is finished when all is sent. The other two are the method's handlers. */
void cri_list_stream_call(sp_cri *cri, size_t which, sp_grpc_call *grpc, sp_str payload);
void cri_list_stream_writable(void *arg, sp_grpc_call *grpc);
void cri_list_stream_cancel(void *arg, sp_grpc_call *grpc);
