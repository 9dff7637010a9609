/* SPDX-License-Identifier: Apache-2.0 */
#include "io/https.h"

#include "base/alloc.h"
#include "io/pump.h"

static void on_secured(sp_tls_req *t, sp_stream *s, const sp_err *err)
{
	sp_http_dial *d = t->arg;
	d->impl[0] = NULL;
	sp_free(t);
	d->done(d, s, err);
}

static sp_code secure(sp_http_dial *d, sp_stream *s, sp_err *err)
{
	sp_tls_config *config = (sp_tls_config *)(uintptr_t)d->tls_config; /* the client keeps it as const */
	if (config == NULL)
		return sp_fail(err, SP_EUNAUTH, "no certificate authority is trusted");
	sp_tls_req *t = sp_try_alloc(sizeof *t);
	if (t == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a TLS session");
	*t = (sp_tls_req){.done = on_secured, .arg = d};
	sp_code code = sp_tls_connect(t, s, config, d->server_name, err);
	if (code != SP_OK)
		sp_free(t);
	else
		d->impl[0] = t;
	return code;
}

static void on_connected(sp_connect_req *r, sp_stream *s, const sp_err *err)
{
	sp_http_dial *d = r->arg;
	sp_err own = {0};
	if (s == NULL || !d->tls) {
		d->done(d, s, err);
		return;
	}
	if (secure(d, s, &own) == SP_OK)
		return;
	sp_stream_handle(s, &sp_stream_no_handler, NULL);
	sp_stream_close(s);
	d->done(d, NULL, &own);
}

static sp_code dial(void *arg, sp_http_dial *d, sp_err *err)
{
	(void)arg;
	d->impl[0] = NULL;
	d->tcp.done = on_connected;
	d->tcp.arg = d;
	return sp_connect(d->world, &d->tcp, d->address, d->timeout_ns, err);
}

static void cancel(void *arg, sp_http_dial *d)
{
	sp_tls_req *t = d->impl[0];
	(void)arg;
	if (t == NULL) {
		sp_connect_cancel(d->world, &d->tcp);
		return;
	}
	d->impl[0] = NULL;
	sp_tls_cancel(t);
	sp_free(t);
}

static void hold(const void *tls_config)
{
	(void)sp_tls_config_ref((sp_tls_config *)(uintptr_t)tls_config);
}

static void release(const void *tls_config)
{
	(void)sp_tls_config_unref((sp_tls_config *)(uintptr_t)tls_config);
}

const sp_http_connector sp_http_connector_tls = {
	.dial = dial, .cancel = cancel, .hold = hold, .release = release};
