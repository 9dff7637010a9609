/* SPDX-License-Identifier: Apache-2.0 */
/* The server's door: a TLS listener that hands connections to an api_server. */
#pragma once

#include "apiserver/server.h"
#include "io/tls.h"

typedef struct api_front api_front;

/* Listens at `address` ("0.0.0.0:6443"; port 0: any). `source` and `server` outlive the front. */
sp_code api_front_open(sp_world *w, api_server *server, sp_str address, sp_tls_source *source,
		       api_front **ret, sp_err *err) SP_MUST_USE;
/* The address bound, the port filled in. */
sp_str api_front_address(const api_front *f);
/* No connection is accepted afterwards; handshakes under way are cut. NULL is a no-op. */
void api_front_close(api_front *f);
