/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a request may take: --request-timeout, or what its parameter `timeout` says when that is less.
 * Watches and whatever else is long-running are none of this. U: apiserver
 * pkg/endpoints/filters/request_deadline.go, pkg/server/filters/timeout.go
 */
#pragma once

#include "apiserver/request.h"

/* Begins to count: r->deadline_ns, and 504 when there is no answer by then; what was begun to be committed is
 * committed all the same. An answer that has begun is cut: RST_STREAM with INTERNAL_ERROR, or the HTTP/1
 * connection ends. Its last 4 KiB, when all is said, may still wait for their reader: upstream's handler is
 * done by then. False: the parameter is no duration, answered. */
bool api_deadline_begin(api_request *r) SP_MUST_USE;
/* Nobody watches the deadline any more: the request is over, or its handler does so itself. */
void api_deadline_end(api_request *r);
