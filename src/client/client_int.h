/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share about a client: requests with its address and credentials. */
#pragma once

#include "base/json.h"
#include "base/list.h"
#include "client/call.h"
#include "io/http.h"
#include "io/tls.h"

#define CLIENT_HEADERS_MAX 16u

struct sp_client {
	sp_world *world;
	sp_client *root; /* whose connections these are: itself, or the client that accounts were made of */
	sp_arena arena;  /* of the configuration's texts */
	sp_client_config config;
	sp_str user_agent, manager;
	sp_http_client *http;
	sp_tls_config *tls;
	sp_tls_config *bare_tls; /* without our certificate, for accounts: it would go before their tokens */
	sp_list runs;            /* of the root: calls under way of all */
	sp_list waiters;         /* of the root: who waits for the server to answer anybody */
	void (*on_closed)(void *arg);
	void *closed_arg;
	bool closing, http_closed;
	sp_defer closed;

	/* credentials: the value of `authorization`, or empty */
	sp_buf authorization;
	uint64_t token_ns; /* when it was read */
	sp_work token_job;
	sp_buf token_next;
	sp_code token_code; /* of the last reading */
	bool token_reading;
	struct client_renewal *renewal; /* of renew.c; NULL: there is nothing to renew */
	bool (*refused)(void *arg); /* of an account: its token is not taken; true: there will be another */
	void *refused_arg;
};

typedef struct client_req {
	sp_str method, path; /* complete but for the prefix */
	sp_str accept, type; /* type: of the body */
	sp_bytes *body;      /* may be NULL */
	uint64_t deadline_ns;
} client_req;

/* Sends a request with the client's credentials. On error there is no exchange. */
sp_code client_request(sp_client *c, const client_req *q, const sp_http_events *events, void *arg,
		       sp_http_exchange **ret, sp_err *err) SP_MUST_USE;

/* Reads the files of its credentials again, or has the account's token made anew, soon. False: there are
 * none.
 */
bool client_refresh_token(sp_client *c);

/* A client with the root's connections and nobody's identity, until it gets a token: its requests fail with
 * SP_EUNAUTH before. Closing the root ends its calls; free it when none is under way, before the root. */
sp_code client_derive(sp_client *root, sp_client **ret, sp_err *err) SP_MUST_USE;
sp_code client_set_token(sp_client *c, sp_str token) SP_MUST_USE;

/* The TLS of a configuration; bare: without its certificate. SP_OK and nothing for plain addresses. */
sp_code client_open_tls(const sp_client_config *f, bool bare, sp_tls_config **ret, sp_err *err) SP_MUST_USE;

/* A root with a certificate from a kubeconfig reads that again in time. */
void client_renewal_open(sp_client *c);
/* Reads it again now. False: there is none. */
bool client_renewal_now(sp_client *c);
/* Ends what is not under way on a worker; then, free. */
void client_renewal_stop(sp_client *c);
bool client_renewal_is_busy(const sp_client *c);
void client_renewal_free(sp_client *c);

/* Somebody who asked in vain, without any answer, and pauses before the next try: told once when the server
 * answers whomever else of this client (or of its accounts). */
typedef struct client_waiter {
	sp_list node; /* sp_list_init at first; sp_list_remove ends the wait, at any time */
	void (*answered)(struct client_waiter *w);
} client_waiter;
void client_wait(sp_client *c, client_waiter *w);
/* A response came, whatever its status. What is told may not begin to wait again at once. */
void client_answered(sp_client *c);

/* Calls that wait to be tried again end now (the client closes). */
void client_end_waiting(sp_client *c);

/* Tells on_closed when nothing is left; after a call ended. */
void client_check_closed(sp_client *any);

/* Appends "/api/v1/namespaces/NS/RESOURCE/NAME/SUBRESOURCE"; empty parts are left out. */
sp_code client_path(sp_buf *out, const sp_gvr *gvr, sp_str ns, sp_str name, sp_str subresource);

/* What a body that should be a Status says; texts of the tree. Empty for anything else. */
typedef struct client_status {
	sp_str reason, message, continue_token;
	uint32_t retry_after_s;
	uint16_t code;
} client_status;
client_status client_read_status(yyjson_val *root);

/* The object that a list of one holds, with a merge patch applied. SP_ENOTFOUND: the list is empty. */
sp_code client_merge_update(sp_str list_json, sp_str patch, sp_bytes **ret, sp_err *err) SP_MUST_USE;
