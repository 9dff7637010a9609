/* SPDX-License-Identifier: Apache-2.0 */
/* Where an HTTP answer sends whoever asked: pure. U: Go's net/url ResolveReference, as net/http follows. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef struct node_url {
	bool tls;
	sp_str host, port; /* host without brackets; port: digits, never empty */
	sp_str path;       /* with its query; begins with '/' */
} node_url;

/* Where `location` leads from there; *ret_is_absolute: it names a scheme. Texts are of the inputs or in the
 * arena. SP_EINVAL: nowhere that can be asked; SP_ENOMEM. */
sp_code node_redirect(const node_url *from, sp_str location, sp_arena *a, node_url *ret,
		      bool *ret_is_absolute, sp_err *err) SP_MUST_USE;
