/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTPS endpoints of a component that is a client of the API server: /healthz, /livez, /readyz (each also
 * with one check's name behind it, ?verbose and ?exclude=NAME) and pages of its own. Health may be asked for
 * by anybody; everything else is for whom the API server allows the path (client/review.h). U:
 * kubernetes cmd/kube-scheduler/app/server.go (newEndpointsHandler), apiserver pkg/server/healthz.
 */
#pragma once

#include "client/review.h"
#include "io/tls.h"

enum { SP_STATUS_HEALTHZ = 1, SP_STATUS_LIVEZ = 2, SP_STATUS_READYZ = 4 };

/* A check of some endpoints; one without any has "ping". */
typedef struct sp_status_check {
	sp_str name;
	unsigned at; /* SP_STATUS_… */
	bool (*ok)(void *arg);
	bool (*applies)(void *arg); /* NULL: always */
} sp_status_check;

typedef struct sp_status_page {
	sp_str path; /* "/metrics" */
	sp_str type; /* content-type */
	/* Appends the page, at most 64 MiB. */
	sp_code (*write)(void *arg, sp_buf *out);
} sp_status_page;

/* Everything but the client and the configuration is copied by reference only and stays. */
typedef struct sp_status_opts {
	sp_client *client;
	sp_str address;     /* "0.0.0.0:10259"; port 0: any */
	sp_tls_config *tls; /* with client_auth REQUEST; a reference is taken */
	const sp_status_check *checks;
	size_t n_checks;
	const sp_status_page *pages;
	size_t n_pages;
	void *arg;   /* of checks and pages */
	sp_str open; /* paths for everybody, separated by commas; one that ends with '*' is a front */
} sp_status_opts;

typedef struct sp_status_server sp_status_server;

sp_code sp_status_server_open(const sp_status_opts *o, sp_status_server **ret, sp_err *err) SP_MUST_USE;
/* With the port that was bound. */
sp_str sp_status_server_address(const sp_status_server *s);
/* Ends every request. done comes once; then free it. */
void sp_status_server_close(sp_status_server *s, void (*done)(void *arg), void *arg);
void sp_status_server_free(sp_status_server *s);
