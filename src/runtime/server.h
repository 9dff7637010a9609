/* SPDX-License-Identifier: Apache-2.0 */
/* A runtime behind the seam of contracts/cri.h, served as gRPC: runtime.v1 on a socket. */
#pragma once

#include "contracts/cri.h"
#include "io/grpc.h"

typedef struct cri_server cri_server;

/* `cri` outlives the server, as does `also`: one more service on the socket, or NULL. The address as
 * sp_listen has it: "unix:/run/sampan/cri.sock". */
sp_code cri_server_new(sp_world *w, sp_cri *cri, const sp_grpc_service *also, sp_str address,
		       cri_server **ret, sp_err *err) SP_MUST_USE;
/* Takes no new calls and ends those under way, at the latest after grace_ns; done comes once. */
void cri_server_close(cri_server *s, uint64_t grace_ns, void (*done)(void *arg), void *arg);
/* After close's done, or right after new. NULL is a no-op. */
void cri_server_free(cri_server *s);
