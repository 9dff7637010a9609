/* SPDX-License-Identifier: Apache-2.0 */
/* What pulls share: the HTTP client, and the TLS configurations of hosts. */
#pragma once

#include "io/tls.h"
#include "runtime/image/fetch.h"

struct image_registry {
	sp_world *world;
	image_registry_opts opts;
	sp_arena arena;
	sp_http_client *http;
	sp_list tls;   /* of tls_entry; kept until the end, for connections know them by their address */
	sp_list loads; /* of image_load: one at a time, so that a worker may look at `tls` */
	bool loading;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* The hosts of a registry, with their TLS configurations. Embedded in the owner. */
typedef struct image_load {
	sp_list node;
	image_registry *registry;
	sp_str host;     /* of the reference */
	sp_arena *arena; /* results go here; nobody else uses it until `done` */
	image_hosts hosts;
	const void **tls; /* one per host; NULL: plain */
	const void *default_tls;
	sp_list made; /* of tls_entry */
	sp_work work;
	sp_code code;
	sp_err err;
	bool cancelled;
	void (*done)(struct image_load *l); /* see code and err */
	void *arg;
} image_load;

void image_load_start(image_registry *r, image_load *l);
