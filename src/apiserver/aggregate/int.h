/* SPDX-License-Identifier: Apache-2.0 */
/* For src/apiserver/aggregate only. */
#pragma once

#include "apiserver/admission/kept.h"
#include "apiserver/aggregate/aggregate.h"
#include "apiserver/proxy/proxy.h"
#include "apiserver/server_int.h"

#define AGGREGATE_TRUSTS_MAX 256u

/* One APIService that names a service. */
typedef struct aggregate {
	sp_list node;
	api_aggregates *owner; /* NULL: it is gone, and goes when its question has ended */
	sp_arena arena;        /* of the texts */
	sp_str spec;           /* JSON, to see a change */
	sp_str name, group, version, ns, service;
	uint16_t port;
	int32_t group_priority, version_priority;
	sp_str server_name;
	sp_tls_config *tls; /* the owner's; NULL: fault */
	sp_str fault;       /* why it can't be reached at all */

	/* probe.c */
	uint8_t state; /* api_aggregate_state */
	sp_buf why, resources;
	sp_buf hash;          /* of its OpenAPI document; empty: not known */
	sp_buf spec_etag;     /* of its OpenAPI document of version 2; empty: it says none */
	sp_bytes *spec_gz;    /* that document, as it came last; NULL: none came */
	uint8_t question;     /* what is asked: probe.c */
	sp_http_exchange *ex; /* a question is under way */
	sp_timer timer;       /* until the next */
	uint64_t pause_ns;
	sp_str asked; /* its URL, for messages */
	sp_arena scratch;
} aggregate;

/* TLS configurations stay as long as the server: the pool of connections knows them by their address. */
typedef struct aggregate_trust {
	sp_str ca; /* empty: nobody is verified */
	sp_tls_config *config;
} aggregate_trust;

struct api_aggregates {
	api_server *server;
	api_kept kept;
	sp_list all;
	sp_arena arena;
	sp_str cert, key;
	aggregate_trust trusts[AGGREGATE_TRUSTS_MAX];
	size_t n_trusts;
	uint64_t epoch;
	bool stopped, dirty;
};

/* "host:port" of an endpoint, in the arena. */
bool aggregate_address(const aggregate *s, sp_arena *a, sp_str *ret, sp_str *ret_why);
sp_str aggregate_scheme(const aggregate *s);

void aggregate_init_probe(aggregate *s);
/* Asks now, unless a question is under way. */
void aggregate_ask(aggregate *s);
/* Asks no more. False: a question has not ended; aggregate_free comes later. */
bool aggregate_stop(aggregate *s);
void aggregate_free(aggregate *s);

/* The hash of "apis/GROUP/VERSION" in an index of OpenAPI v3; empty: it is not there. */
sp_code aggregate_doc_hash(sp_arena *a, sp_str index, sp_str group, sp_str version, sp_str *ret,
			   sp_err *err) SP_MUST_USE;

/* `resources` of an APIVersionDiscovery from an APIResourceList's. SP_EINVAL: it is none. */
sp_code aggregate_resources(sp_arena *a, sp_str text, sp_str group, sp_str version, sp_buf *out,
			    sp_err *err) SP_MUST_USE;
