/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server over the store in memory on a simulated machine, and clients of it on others. Everybody is
 * system:anonymous and may do everything: the authorizer is AlwaysAllow. There are the namespace "default"
 * and its service account "default".
 */
#pragma once

#include "apiserver/server.h"
#include "base/buf.h"
#include "io/http.h"
#include "io/sim/sim.h"
#include "store/mem/mem.h"

typedef struct t_client {
	struct t_api *api;
	sp_sim_host *host;
	sp_world *world;
	sp_http_client *http;
	bool h2, closed;
} t_client;

typedef struct t_api {
	sp_sim *sim;
	sp_sim_host *host;
	sp_world *world; /* the server's */
	sp_store *store;
	struct sp_log *log;
	api_server *server;
	sp_listener *listener;
	t_client maker; /* made the namespace; can be used for more */
	bool draining, drained, closed;
	api_audit_opts audit;           /* counts from the next t_api_restart on */
	uint32_t seats;                 /* the same */
	const char *service_cidrs;      /* the same; NULL: 10.96.0.0/16 */
	const struct api_cors *cors;    /* the same */
	api_admission_choice admission; /* the same, and what its plugins are told */
	const struct api_admission_config *admission_config;
	uint64_t request_timeout_ns;     /* the same */
	api_toleration_seconds tolerate; /* the same */
	api_front_proxy_opts front;      /* the same */
	api_snapshot_opts snapshots;     /* the same; none at first */
	/* of t_api_guard */
	struct api_tokens *tokens;
	struct sp_signer *signer;
	bool no_privileged;  /* counts from the next t_api_restart on */
	int64_t token_max_s; /* of tokens, counts from t_api_guard on */
	bool guarded, bootstrapped;
} t_api;

/* Serves on port 80 of host "server". Everything is drained, closed and freed at the end of the test, clients
 * first. False: the test has failed. `opts` and `store` may be NULL. */
bool t_api_open(t_api *t, const sp_sim_opts *opts, const sp_store_mem_opts *store);

/* Takes no more connections and drains the server, within that time; the end of the test frees it. False: not
 * drained at `until_ns`. */
bool t_api_drain(t_api *t, uint64_t grace_ns, uint64_t until_ns);

/* The server ends within that time, cutting what is under way, and another one serves the same store at the
 * same address. Not from inside a callback. False: the test has failed. */
bool t_api_restart(t_api *t, uint64_t grace_ns);
/* Its two halves; in between nobody listens. */
bool t_api_stop(t_api *t, uint64_t grace_ns);
bool t_api_start(t_api *t);

/* From now on service accounts have tokens and only the rights of their roles, upstream's default ones;
 * who comes without a token is cluster-admin. The server is restarted. False: the test has failed. */
bool t_api_guard(t_api *t);

/* On a machine of its own of that name. Closed at the end of the test. */
bool t_client_open(t_client *c, t_api *t, const char *name, bool h2);

/* What is asked; NULL: not sent. A body without a type is application/json. */
typedef struct t_req {
	const char *method, *path, *type, *accept, *encoding;
	const char *origin;
	const char *user; /* whom it impersonates */
	const char *node; /* and on which node that one is: as tokens of pods say it */
	sp_str body;
	uint64_t within_ns; /* 0 = no deadline */
} t_req;

typedef struct t_call {
	sp_http_exchange *ex; /* NULL: not under way */
	uint16_t status;      /* 0: no answer */
	bool closed;
	sp_code code; /* of the end */
	char type[96], encoding[16];
	char retry_after[8], level_uid[40], audit_id[40];
	char cors[320]; /* the five headers that say what another origin may, separated by | */
	sp_buf body;
	void (*on_bytes)(struct t_call *c); /* after more of the body; may be NULL */
	void (*on_done)(struct t_call *c);  /* it is over; may be NULL */
	void *arg;
} t_call;

void t_call_init(t_call *c);
void t_call_done(t_call *c);
/* Begins, keeping on_bytes, on_done and arg; what was got before is dropped. False: refused at once, nothing
 * comes. */
bool t_call_start(t_client *c, t_call *call, const t_req *q);
/* The same, and runs the simulation until it is over (at most a minute of its time). False: it never ended.
 */
bool t_call_wait(t_client *c, t_call *call, const t_req *q);
