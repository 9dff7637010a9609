/* SPDX-License-Identifier: Apache-2.0 */
#include "client/certificate.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/json_out.h"
#include "base/log.h"
#include "client/client_int.h"
#include "client/reflector.h"
#include "io/file.h"
#include "io/tls.h"
#include "kube/view.h"

#define NS_PER_S UINT64_C(1000000000)
#define FILE_BYTES_MAX ((size_t)1 << 20)
#define TEXT_BYTES_MAX ((size_t)64 << 10)
#define NAMES_MAX 8u
#define KEY_BYTES_ROOM 4096u
#define RETRY_S 5u
#define RETRY_MOST_S 300u
#define PATIENCE_S 900u /* for somebody who approves and signs; then another is asked for */

typedef struct csr_view {
	sp_str name, certificate;
	sp_vlist conditions;
} csr_view;
SP_VIEW(certificate_csr_desc, csr_view, "certificates.k8s.io/v1/CertificateSigningRequest",
	SP_V(csr_view, name, "metadata.name"), SP_V(csr_view, certificate, "status.certificate"),
	SP_V(csr_view, conditions, "status.conditions"));

struct sp_certificate {
	sp_certificate_opts o; /* texts in the arena */
	sp_arena arena;
	sp_world *world;
	sp_str names[3][NAMES_MAX];
	sp_timer timer; /* the next one, the next try, or the end of patience */
	sp_call call;
	sp_reflector *reflector; /* of the request */
	sp_defer decided;        /* a sink may not release its reflector */
	sp_buf key, pem;         /* of what is asked for */
	sp_work job;
	sp_code write_code;
	uint32_t retry_s;
	int64_t due_s; /* of what is written: until the next one is asked for */
	bool writing, is_there, denied, closing;
	void (*closed)(void *arg);
	void *closed_arg;
	sp_defer gone;
};

static void ask(sp_certificate *c);

static void on_due(sp_timer *t)
{
	ask(t->arg);
}

static void drop_request(sp_certificate *c)
{
	sp_call_cancel(&c->call);
	sp_reflector_free(SP_TAKE(c->reflector));
	sp_defer_cancel(&c->decided);
}

static void try_later(sp_certificate *c, const char *why, const sp_err *err)
{
	drop_request(c);
	if (c->closing)
		return;
	c->retry_s = c->retry_s == 0 ? RETRY_S : SP_MIN(2 * c->retry_s, RETRY_MOST_S);
	sp_log(c->o.log, SP_LOG_WARN, "no certificate, it is tried again", SP_KS("signer", c->o.signer),
	       SP_KC("why", err != NULL ? err->msg : why));
	sp_timer_start(c->world, &c->timer, c->retry_s * NS_PER_S, on_due);
}

/* ---- what is in the file ---- */

static int64_t due_s(sp_certificate *c, const sp_x509_info *cert, int64_t now_s)
{
	int64_t tenth = (cert->not_after_s - cert->not_before_s) / 10, left = cert->not_after_s - now_s;
	int64_t spread = tenth > 0 ? (int64_t)(sp_random_u64(c->world) % (uint64_t)(2 * tenth + 1)) : 0;
	return SP_MAX(left - 3 * tenth + spread, 1);
}

static bool is_pair(sp_str pem)
{
	sp_tls_config *config = NULL;
	const sp_tls_opts o = {.cert_pem = pem, .key_pem = pem, .insecure_skip_verify = true};
	bool ok = sp_tls_client_config(&o, &config, NULL) == SP_OK;
	sp_tls_config_unref(config);
	return ok;
}

/* A certificate with its key that is what is wanted and has not ended; then due_s says when the next one is.
 */
static bool is_wanted(sp_certificate *c, sp_str pem)
{
	sp_arena a;
	sp_x509_info *all;
	size_t n;
	const sp_x509_template *t = &c->o.names;
	int64_t now_s = sp_wall_ns(c->world) / (int64_t)NS_PER_S;
	sp_arena_init(&a, FILE_BYTES_MAX * 4);
	bool ok = sp_x509_inspect_pem(pem, &a, &all, &n, NULL) == SP_OK && all[0].not_after_s > now_s &&
		  sp_str_eq(all[0].common_name, t->common_name) &&
		  sp_strs_have(&all[0].dns, t->dns, t->n_dns) &&
		  sp_strs_have(&all[0].ips, t->ips, t->n_ips) && is_pair(pem);
	if (ok)
		c->due_s = due_s(c, &all[0], now_s);
	sp_arena_done(&a);
	return ok;
}

static void wait_for_end(sp_certificate *c)
{
	sp_timer_start(c->world, &c->timer, (uint64_t)c->due_s * NS_PER_S, on_due);
}

/* On a worker. */
static void write_file(sp_work *job)
{
	sp_certificate *c = job->arg;
	c->write_code = sp_file_replace(c->world, c->o.path, sp_buf_view(&c->pem), 0600, NULL);
}

static void on_written(sp_work *job)
{
	sp_certificate *c = job->arg;
	c->writing = false;
	sp_buf_cleanse(&c->pem);
	if (c->closing) {
		sp_defer_call(c->world, &c->gone);
		return;
	}
	if (c->write_code != SP_OK) {
		try_later(c, "the file can't be written", NULL);
		return;
	}
	wait_for_end(c);
	c->retry_s = 0;
	c->is_there = true;
	sp_log(c->o.log, SP_LOG_INFO, "new certificate", SP_KS("signer", c->o.signer),
	       SP_KS("file", c->o.path));
	c->o.changed(c->o.arg);
}

/* ---- what somebody decided ---- */

static void on_decided(sp_defer *d)
{
	sp_certificate *c = d->arg;
	drop_request(c);
	sp_timer_stop(c->world, &c->timer);
	if (c->denied) {
		try_later(c, "the request was denied", NULL);
		return;
	}
	(void)sp_buf_reserve(&c->pem, c->key.len); /* no copy is left behind by growing */
	(void)sp_buf_str(&c->pem, sp_buf_view(&c->key));
	sp_buf_cleanse(&c->key);
	if (!is_wanted(c, sp_buf_view(&c->pem))) { /* what is in the file stays */
		sp_buf_cleanse(&c->pem);
		try_later(c, "what was signed is something else", NULL);
		return;
	}
	c->job = (sp_work){.fn = write_file, .done = on_written, .arg = c};
	c->writing = sp_buf_code(&c->pem) == SP_OK && sp_work_start(c->world, &c->job, NULL) == SP_OK;
	if (!c->writing)
		try_later(c, "no room for it", NULL);
}

static bool is_over(const csr_view *v)
{
	SP_VLIST_FOREACH(item, v->conditions)
	{
		sp_str type = sp_view_str_at(item, "type");
		if (sp_str_eq(type, SP_STR("Denied")) || sp_str_eq(type, SP_STR("Failed")))
			return true;
	}
	return false;
}

static sp_code look(sp_certificate *c, sp_str json, sp_err *err)
{
	sp_arena a;
	csr_view v;
	sp_arena_init(&a, FILE_BYTES_MAX * 4);
	sp_code code = sp_view(&a, json, &certificate_csr_desc, &v, err);
	if (code == SP_OK && c->pem.len == 0 && !c->denied && (v.certificate.len > 0 || is_over(&v))) {
		uint8_t *out = sp_arena_try_alloc(&a, v.certificate.len + 1);
		size_t n = 0;
		c->denied = v.certificate.len == 0;
		if (out == NULL || (!c->denied && sp_base64_decode(v.certificate, out, &n, NULL) != SP_OK))
			code = sp_fail(err, SP_EINVAL, "a certificate that can't be read");
		else
			(void)sp_buf_append(&c->pem, out, n);
		if (code == SP_OK)
			sp_defer_call(c->world, &c->decided);
	}
	sp_arena_done(&a);
	return code;
}

static void on_begin(void *arg)
{
	(void)arg;
}

static sp_code on_put(void *arg, yyjson_val *object, sp_err *err)
{
	SP_AUTO_BUF json;
	sp_buf_init(&json, FILE_BYTES_MAX * 2);
	if (sp_json_write(&json, object) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for a request");
	return look(arg, sp_buf_view(&json), err);
}

static sp_code on_remove(void *arg, yyjson_val *object, sp_err *err)
{
	sp_certificate *c = arg;
	(void)object;
	(void)err;
	c->denied = true; /* nobody will sign it any more */
	sp_defer_call(c->world, &c->decided);
	return SP_OK;
}

static void on_commit(void *arg, sp_str revision)
{
	(void)arg;
	(void)revision;
}

/* ---- asking ---- */

static void on_impatient(sp_timer *t)
{
	try_later(t->arg, "nobody has signed the request", NULL);
}

static sp_code follow(sp_certificate *c, sp_str name, sp_err *err)
{
	static const sp_reflector_sink sink = {
		.begin = on_begin, .put = on_put, .remove = on_remove, .commit = on_commit};
	char field[300];
	int n = snprintf(field, sizeof field, "metadata.name=" SP_FMT, SP_ARG(name));
	if (n < 0 || (size_t)n >= sizeof field)
		return sp_fail(err, SP_EINVAL, "the name of the request is too long");
	const sp_reflector_opts o = {.client = c->o.client,
				     .log = c->o.log,
				     .gvr = SP_GVR("certificates.k8s.io", "v1", "certificatesigningrequests"),
				     .field_selector = {field, (size_t)n},
				     .sink = &sink,
				     .arg = c};
	SP_TRY(sp_reflector_new(&o, &c->reflector, err));
	sp_reflector_start(c->reflector);
	return SP_OK;
}

static void on_asked(sp_call *call, const sp_answer *a)
{
	sp_certificate *c = call->arg;
	sp_arena scratch;
	csr_view v;
	sp_err err = {0};
	if (a->code != SP_OK) {
		try_later(c, "", a->err);
		return;
	}
	sp_arena_init(&scratch, FILE_BYTES_MAX * 4);
	sp_code code = sp_view(&scratch, a->body, &certificate_csr_desc, &v, &err);
	if (code == SP_OK)
		code = follow(c, v.name, &err);
	sp_arena_done(&scratch);
	if (code != SP_OK)
		try_later(c, "", &err);
	else
		sp_timer_start(c->world, &c->timer, PATIENCE_S * NS_PER_S, on_impatient);
}

static sp_code make_request(sp_certificate *c, sp_buf *body, sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF pem, text;
	sp_buf_init(&pem, TEXT_BYTES_MAX);
	sp_buf_init(&text, TEXT_BYTES_MAX);
	sp_buf_cleanse(&c->key);
	(void)sp_buf_reserve(&c->key, KEY_BYTES_ROOM);
	SP_TRY(sp_key_new(&key, err));
	SP_TRY(sp_key_print(key, &c->key, err));
	SP_TRY(sp_x509_request_new(&c->o.names, key, &pem, err));
	(void)sp_base64_append(&text, pem.ptr, pem.len);
	(void)sp_buf_printf(
		body,
		"{\"apiVersion\":\"certificates.k8s.io/v1\",\"kind\":\"CertificateSigningRequest\","
		"\"metadata\":{\"generateName\":\"csr-\"},\"spec\":{\"signerName\":\"" SP_FMT
		"\",\"usages\":" SP_FMT ",\"request\":\"" SP_FMT "\"}}",
		SP_ARG(c->o.signer), SP_ARG(c->o.usages), SP_ARG(sp_buf_view(&text)));
	return sp_buf_code(body) == SP_OK && sp_buf_code(&text) == SP_OK
		       ? SP_OK
		       : sp_fail(err, SP_ENOMEM, "no room for a certificate request");
}

static void ask(sp_certificate *c)
{
	sp_err err = {0};
	SP_AUTO_BUF body;
	sp_buf_init(&body, 2 * TEXT_BYTES_MAX);
	c->denied = false;
	sp_buf_cleanse(&c->pem);
	if (make_request(c, &body, &err) != SP_OK) {
		try_later(c, "", &err);
		return;
	}
	c->call = (sp_call){.done = on_asked, .arg = c};
	sp_call_start(c->o.client, &c->call,
		      &(sp_ask){.verb = SP_ASK_CREATE,
				.gvr = SP_GVR("certificates.k8s.io", "v1", "certificatesigningrequests"),
				.body = sp_buf_view(&body)});
}

/* ---- the beginning and the end ---- */

static bool copy(sp_certificate *c, sp_str *s)
{
	if (s->len == 0)
		return true;
	*s = sp_arena_try_dup(&c->arena, *s);
	return s->ptr != NULL;
}

static bool copy_list(sp_certificate *c, sp_str *to, const sp_str **list, size_t n)
{
	bool ok = n <= NAMES_MAX;
	for (size_t i = 0; i < n && ok; i++) {
		to[i] = (*list)[i];
		ok = copy(c, &to[i]);
	}
	*list = to;
	return ok;
}

static void on_gone(sp_defer *d)
{
	sp_certificate *c = d->arg;
	SP_TAKE(c->closed)(c->closed_arg);
}

sp_code sp_certificate_new(const sp_certificate_opts *o, sp_certificate **ret, sp_err *err)
{
	sp_certificate *c = SP_NEW(sp_certificate);
	sp_arena scratch;
	sp_str pem;
	sp_x509_template *t = &c->o.names;
	c->o = *o;
	c->world = sp_client_world(o->client);
	c->timer.arg = c;
	sp_arena_init(&c->arena, TEXT_BYTES_MAX);
	sp_buf_init(&c->key, TEXT_BYTES_MAX);
	sp_buf_init(&c->pem, FILE_BYTES_MAX);
	sp_defer_init(&c->decided, on_decided, c);
	sp_defer_init(&c->gone, on_gone, c);
	if (!copy(c, &c->o.path) || !copy(c, &c->o.signer) || !copy(c, &c->o.usages) ||
	    !copy(c, &t->common_name) || !copy_list(c, c->names[0], &t->organizations, t->n_organizations) ||
	    !copy_list(c, c->names[1], &t->dns, t->n_dns) || !copy_list(c, c->names[2], &t->ips, t->n_ips)) {
		sp_certificate_free(c);
		return sp_fail(err, SP_ENOMEM, "no room for the names of a certificate");
	}
	sp_arena_init_secret(&scratch, 2 * FILE_BYTES_MAX);
	c->is_there =
		sp_file_read_arena(c->world, c->o.path, &scratch, FILE_BYTES_MAX, &pem, NULL) == SP_OK &&
		is_wanted(c, pem);
	sp_arena_done(&scratch);
	if (c->is_there)
		wait_for_end(c);
	else
		sp_timer_start(c->world, &c->timer, 0, on_due);
	*ret = c;
	return SP_OK;
}

bool sp_certificate_is_there(const sp_certificate *c)
{
	return c->is_there;
}

void sp_certificate_close(sp_certificate *c, void (*done)(void *arg), void *arg)
{
	SP_ASSERT(!c->closing);
	c->closing = true;
	c->closed = done;
	c->closed_arg = arg;
	drop_request(c);
	sp_timer_stop(c->world, &c->timer);
	if (!c->writing)
		sp_defer_call(c->world, &c->gone);
}

void sp_certificate_free(sp_certificate *c)
{
	if (c == NULL)
		return;
	SP_ASSERT(!c->writing);
	drop_request(c);
	sp_timer_stop(c->world, &c->timer);
	sp_defer_cancel(&c->gone);
	sp_buf_cleanse(&c->key);
	sp_buf_done(&c->key);
	sp_buf_cleanse(&c->pem);
	sp_buf_done(&c->pem);
	sp_arena_done(&c->arena);
	sp_free(c);
}
