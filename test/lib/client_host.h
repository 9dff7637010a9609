/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of the client library on simulated machines, for an API server of lib/api_host.h. */
#pragma once

#include "client/call.h"
#include "lib/api_host.h"

typedef struct t_user {
	t_api *api;
	sp_sim_host *host;
	sp_world *world;
	sp_client *client;
	bool closed, done;
	sp_call call;
	sp_code code; /* of the last t_ask */
	uint16_t status;
	sp_buf body;
} t_user;

/* On a machine of its own of that name; closed at the end of the test, after what was deferred later. False:
 * the test has failed. */
bool t_user_open(t_user *u, t_api *api, const char *name, bool h2);
/* The same with these credentials; where the server is is filled in. */
bool t_user_open_as(t_user *u, t_api *api, const char *name, const sp_client_config *credentials);

/* Asks and runs the simulation until the answer is there (code, status, body). */
void t_ask(t_user *u, const sp_ask *ask);
/* The same, and fails the test unless the code is that one. False: it was not. */
bool t_ask_ok(t_user *u, const sp_ask *ask, sp_code code);
