/* SPDX-License-Identifier: Apache-2.0 */
/* A request of the kubelet API, from its head to its end. */
#pragma once

#include "base/url.h"
#include "client/review.h"
#include "node/node_int.h"
#include "node/serve.h"

#define NODE_SEGMENTS_MAX 8u

typedef struct node_request node_request;

struct node_request {
	node_server *server;
	node_agent *agent;
	sp_http_exchange *ex; /* its arena is ours */
	sp_list node;
	sp_str segments[NODE_SEGMENTS_MAX];
	size_t n_segments;
	sp_url_query query;
	void (*serve)(node_request *r);
	sp_str subresource; /* of nodes, for the authorizer */

	sp_review review; /* who asks */

	/* what the one who serves keeps; `end` releases it when the exchange is over */
	sp_cri_call call;
	void *state;
	void (*writable)(node_request *r);
	void (*end)(node_request *r);
};

/* Answers with text; more arguments as printf. */
void node_answer(node_request *r, uint16_t status, const char *fmt, ...) SP_PRINTF(3, 4);
void node_answer_json(node_request *r, const sp_buf *json);

/* serve_auth.c: finds out who asks and whether they may, then r->serve. */
void node_authenticate(node_request *r);

/* The pod of that name with its container (either may be empty); answers 404 and gives NULL otherwise. */
node_worker *node_request_pod(node_request *r, sp_str ns, sp_str name);

/* The runtime's answers of one request, which go with it. */
typedef struct node_scrape {
	node_batch batch;
	sp_arena arena;
} node_scrape;

/* Room for n calls; done's argument is r. NULL: answered. */
node_scrape *node_scrape_begin(node_request *r, size_t n, void (*done)(node_batch *b));
/* NULL: that call failed. */
const void *node_scrape_answer(const node_batch *b, size_t i);
/* What the machine uses now. */
node_use node_machine_use(node_request *r, sp_arena *a);

/* One per route. */
void node_serve_pods(node_request *r);
void node_serve_logs(node_request *r);
void node_serve_exec(node_request *r);
void node_serve_attach(node_request *r);
void node_serve_forward(node_request *r);
void node_serve_metrics(node_request *r);
void node_serve_stats(node_request *r);
void node_serve_running(node_request *r);
void node_serve_files(node_request *r);
