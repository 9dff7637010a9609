/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP over TLS on one address: listener, handshakes (256 at a time) and connections. */
#pragma once

#include "io/http.h"
#include "io/tls.h"

typedef struct sp_https_server sp_https_server;

/* A reference of the configuration is taken. */
sp_code sp_https_server_open(sp_world *w, sp_str address, sp_tls_config *tls, const sp_http_server_opts *o,
			     sp_https_server **ret, sp_err *err) SP_MUST_USE;
/* For handshakes that begin from now on; a reference is taken. */
void sp_https_server_set_tls(sp_https_server *s, sp_tls_config *tls);
/* With the port that was bound. */
sp_str sp_https_server_address(const sp_https_server *s);
/* Listens no more and ends handshakes at once, connections when their requests are over, at the latest after
 * grace_ns. `done` comes once; then free it. */
void sp_https_server_close(sp_https_server *s, uint64_t grace_ns, void (*done)(void *arg), void *arg);
/* NULL is a no-op. Also of one that was never closed, without connections. */
void sp_https_server_free(sp_https_server *s);
