/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http.h"

static void on_connected(sp_connect_req *r, sp_stream *s, const sp_err *err)
{
	sp_http_dial *d = r->arg;
	d->done(d, s, err);
}

static sp_code plain_dial(void *arg, sp_http_dial *d, sp_err *err)
{
	(void)arg;
	if (d->tls)
		return sp_fail(err, SP_EUNSUPPORTED, "no TLS here");
	d->tcp.done = on_connected;
	d->tcp.arg = d;
	return sp_connect(d->world, &d->tcp, d->address, d->timeout_ns, err);
}

static void plain_cancel(void *arg, sp_http_dial *d)
{
	(void)arg;
	sp_connect_cancel(d->world, &d->tcp);
}

const sp_http_connector sp_http_connector_plain = {.dial = plain_dial, .cancel = plain_cancel};
