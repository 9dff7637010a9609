/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between whoever runs pods and a container runtime: CRI runtime.v1 as one struct of function
 * pointers. The runtime in this process implements it (runtime/), and so does the client of any CRI socket
 * (node/cri_client.h); the node agent cannot tell which it has. Messages are structs with tables for
 * base/pb_struct.h. U: kubernetes/cri-api pkg/apis/runtime/v1/api.proto.
 *
 * Left out: Windows, and the Stream… forms of the lists: a matter of the connection (runtime/server_lists.h),
 * as are their items; clients of ours use the lists.
 */
#pragma once

#include "contracts/cri_image.h"
#include "io/rpc_status.h"

typedef enum sp_cri_method {
	SP_CRI_VERSION,
	SP_CRI_RUN_POD_SANDBOX,
	SP_CRI_STOP_POD_SANDBOX,
	SP_CRI_REMOVE_POD_SANDBOX,
	SP_CRI_POD_SANDBOX_STATUS,
	SP_CRI_LIST_POD_SANDBOX,
	SP_CRI_CREATE_CONTAINER,
	SP_CRI_START_CONTAINER,
	SP_CRI_STOP_CONTAINER,
	SP_CRI_REMOVE_CONTAINER,
	SP_CRI_LIST_CONTAINERS,
	SP_CRI_CONTAINER_STATUS,
	SP_CRI_UPDATE_CONTAINER_RESOURCES,
	SP_CRI_REOPEN_CONTAINER_LOG,
	SP_CRI_EXEC_SYNC,
	SP_CRI_EXEC,
	SP_CRI_ATTACH,
	SP_CRI_PORT_FORWARD,
	SP_CRI_CONTAINER_STATS,
	SP_CRI_LIST_CONTAINER_STATS,
	SP_CRI_POD_SANDBOX_STATS,
	SP_CRI_LIST_POD_SANDBOX_STATS,
	SP_CRI_UPDATE_RUNTIME_CONFIG,
	SP_CRI_STATUS,
	SP_CRI_CHECKPOINT_CONTAINER,
	SP_CRI_GET_CONTAINER_EVENTS,
	SP_CRI_LIST_METRIC_DESCRIPTORS,
	SP_CRI_LIST_POD_SANDBOX_METRICS,
	SP_CRI_RUNTIME_CONFIG,
	SP_CRI_UPDATE_POD_SANDBOX_RESOURCES,
	SP_CRI_LIST_IMAGES,
	SP_CRI_IMAGE_STATUS,
	SP_CRI_PULL_IMAGE,
	SP_CRI_REMOVE_IMAGE,
	SP_CRI_IMAGE_FS_INFO,
	SP_CRI_METHODS_
} sp_cri_method;

typedef struct sp_cri_method_info {
	sp_str service; /* "runtime.v1.RuntimeService" */
	sp_str name;    /* "RunPodSandbox" */
	const sp_pb_message *request, *response;
	bool server_streams; /* by subscribe, not by call */
} sp_cri_method_info;
extern const sp_cri_method_info sp_cri_methods[SP_CRI_METHODS_];

typedef struct sp_cri sp_cri;

/* One call. Embedded in its owner, zero-initialised but for `done`; in place until done or cancel. */
typedef struct sp_cri_call {
	/*
	 * The end, once, from the loop, never from inside `call`. status is SP_RPC_OK with the method's
	 * response struct, or what went wrong (SP_RPC_UNIMPLEMENTED: the runtime lacks the method) with a
	 * text for people and response NULL. Everything is good during the callback; the call is free for
	 * another.
	 */
	void (*done)(struct sp_cri_call *c, int32_t status, sp_str message, const void *response);
	void *arg;           /* the owner's */
	uint64_t timeout_ns; /* 0 = none; then done comes with SP_RPC_DEADLINE_EXCEEDED */
	void *impl;          /* the runtime's; NULL: not under way */
} sp_cri_call;

/* Events of containers. Embedded in its owner; in place until on_end or unsubscribe. */
typedef struct sp_cri_events {
	void (*on_event)(struct sp_cri_events *e, const sp_cri_container_event_response *event);
	/* The stream broke or the runtime has none (SP_RPC_UNIMPLEMENTED): list, then subscribe again. */
	void (*on_end)(struct sp_cri_events *e, int32_t status, sp_str message);
	void *arg;
	void *impl; /* the runtime's; NULL: not subscribed */
} sp_cri_events;

struct sp_cri {
	/* `request` is the method's request struct; it and all it names are good during the call only. Errors
	 * of any kind arrive in done. */
	void (*call)(sp_cri *cri, sp_cri_method method, const void *request, sp_cri_call *c);
	/* No done after this. The runtime may carry out the request none the less. Harmless on an idle call.
	 */
	void (*cancel)(sp_cri *cri, sp_cri_call *c);
	/* Every event after this call is delivered, in the order of each container. */
	void (*subscribe)(sp_cri *cri, sp_cri_events *e);
	/* Neither callback comes after this. Harmless when not subscribed. */
	void (*unsubscribe)(sp_cri *cri, sp_cri_events *e);
	/* Without calls or subscriptions under way. */
	void (*free)(sp_cri *cri);
};
