/* SPDX-License-Identifier: Apache-2.0 */
/* The shim's socket: ttrpc connections (io/ttrpc/server_core.h) on the shim's loop. */
#pragma once

#include "io/ttrpc/server_core.h"
#include "shim/loop.h"

typedef struct shim_server {
	shim_loop *loop;
	shim_watch listener;
	const sp_ttrpc_service *services;
	size_t n_services;
	sp_list conns;
	void (*on_accept)(void *arg); /* somebody is there: what waits for a peer may try again */
	void *arg;
} shim_server;

/* Owns the listening, non-blocking descriptor. */
sp_code shim_server_init(shim_server *s, shim_loop *l, int fd, const sp_ttrpc_service *services,
			 size_t n_services, sp_err *err) SP_MUST_USE;
/* Those that are connected stay. */
void shim_server_stop_listening(shim_server *s);
/* True while answers wait to be written. */
bool shim_server_is_busy(const shim_server *s);
