/* SPDX-License-Identifier: Apache-2.0 */
/* The host process seen from this side: contracts/host.h over ttrpc. */
#pragma once

#include "contracts/host.h"
#include "io/world.h"

/* Takes the stream over (on success). on_close: the host process is gone, and every call has ended. */
sp_code rt_host_client_new(sp_world *w, sp_stream *s, void (*on_close)(void *arg), void *arg, sp_host **ret,
			   sp_err *err) SP_MUST_USE;
/* Ends the connection; on_close follows and must still be possible. */
void rt_host_client_close(sp_host *h);
/* After on_close. NULL is a no-op. */
void rt_host_client_free(sp_host *h);
