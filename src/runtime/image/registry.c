/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/image/registry.h"

#include "base/alloc.h"
#include "io/file.h"
#include "io/https.h"

#define CA_FILE "/etc/ssl/certs/ca-certificates.crt"
#define CONFIG_BYTES ((size_t)64 << 10)
#define PARALLEL 3u
#define STALL_NS UINT64_C(300000000000)
#define PER_ORIGIN 8u

/* One configuration, with what it was made from. */
typedef struct tls_entry {
	sp_list node;
	sp_tls_config *config;
	size_t key_len;
	char key[];
} tls_entry;

sp_code image_registry_new(sp_world *w, const image_registry_opts *opts, image_registry **ret, sp_err *err)
{
	image_registry *r = sp_try_alloc(sizeof *r);
	if (r == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a registry client");
	const sp_http_client_opts http = {.connector = &sp_http_connector_tls, .n_per_origin = PER_ORIGIN};
	r->world = w;
	r->opts = *opts;
	r->opts.n_parallel = opts->n_parallel == 0 ? PARALLEL : opts->n_parallel;
	r->opts.stall_ns = opts->stall_ns == 0 ? STALL_NS : opts->stall_ns;
	sp_list_init(&r->tls);
	sp_list_init(&r->loads);
	sp_arena_init(&r->arena, CONFIG_BYTES);
	r->opts.config_dir = sp_arena_try_dup(&r->arena, opts->config_dir);
	r->opts.ca_file =
		sp_arena_try_dup(&r->arena, opts->ca_file.len > 0 ? opts->ca_file : SP_STR(CA_FILE));
	sp_code code = sp_http_client_new(w, &http, &r->http, err);
	if (code != SP_OK) {
		sp_arena_done(&r->arena);
		sp_free(r);
		return code;
	}
	*ret = r;
	return SP_OK;
}

static void on_http_closed(void *arg)
{
	image_registry *r = arg;
	void (*closed)(void *arg) = r->closed;
	void *closed_arg = r->closed_arg;
	SP_LIST_FOREACH (node, &r->tls) {
		tls_entry *e = SP_CONTAINER_OF(node, tls_entry, node);
		sp_tls_config_unref(e->config);
		sp_free(e);
	}
	sp_http_client_free(r->http);
	sp_arena_done(&r->arena);
	sp_free(r);
	closed(closed_arg);
}

void image_registry_close(image_registry *r, void (*done)(void *arg), void *arg)
{
	SP_ASSERT(!r->loading);
	r->closed = done;
	r->closed_arg = arg;
	sp_http_client_close(r->http, on_http_closed, r);
}

/* ---- on a worker ---- */

static sp_code no_room(image_load *l)
{
	return sp_fail(&l->err, SP_ENOMEM, "no memory for a configuration of hosts");
}

/* A file that changed is another one. */
static sp_code add_file(image_load *l, sp_buf *key, sp_str path)
{
	sp_stat st;
	SP_TRY(sp_path_stat(l->registry->world, path, &st, &l->err));
	(void)sp_buf_printf(key, SP_FMT " %llu %lld\n", SP_ARG(path), (unsigned long long)st.size,
			    (long long)st.mtime_ns);
	return SP_OK;
}

static sp_code key_of(image_load *l, const image_host *h, sp_buf *key)
{
	(void)sp_buf_str(key, h->skip_verify ? SP_STR("any\n") : SP_STR("checked\n"));
	for (size_t i = 0; i < h->ca.n; i++)
		SP_TRY(add_file(l, key, h->ca.items[i]));
	if (h->ca.n == 0 && !h->skip_verify)
		SP_TRY(add_file(l, key, l->registry->opts.ca_file));
	(void)sp_buf_str(key, SP_STR("as\n"));
	if (h->client_cert.len > 0)
		SP_TRY(add_file(l, key, h->client_cert));
	if (h->client_key.len > 0)
		SP_TRY(add_file(l, key, h->client_key));
	return sp_buf_code(key) == SP_OK ? SP_OK : no_room(l);
}

static tls_entry *find(const sp_list *list, sp_str key)
{
	SP_LIST_FOREACH (node, list) {
		tls_entry *e = SP_CONTAINER_OF(node, tls_entry, node);
		if (sp_str_eq((sp_str){e->key, e->key_len}, key))
			return e;
	}
	return NULL;
}

static sp_code read_all_ca(image_load *l, const image_host *h, sp_buf *out)
{
	sp_world *w = l->registry->world;
	if (h->ca.n == 0 && !h->skip_verify)
		return sp_file_read_all(w, l->registry->opts.ca_file, out, &l->err);
	for (size_t i = 0; i < h->ca.n; i++) {
		SP_TRY(sp_file_read_all(w, h->ca.items[i], out, &l->err));
		(void)sp_buf_char(out, '\n');
	}
	return SP_OK;
}

static sp_code make_config(image_load *l, const image_host *h, sp_tls_config **ret)
{
	static const sp_str alpn[] = {SP_STR_INIT("h2"), SP_STR_INIT("http/1.1")};
	SP_AUTO_BUF ca;
	SP_AUTO_BUF cert;
	SP_AUTO_BUF key;
	sp_buf_init(&ca, SP_LIMIT_PEM_BYTES);
	sp_buf_init(&cert, SP_LIMIT_PEM_BYTES);
	sp_buf_init(&key, SP_LIMIT_PEM_BYTES);
	sp_code code = read_all_ca(l, h, &ca);
	if (code == SP_OK && h->client_cert.len > 0)
		code = sp_file_read_all(l->registry->world, h->client_cert, &cert, &l->err);
	if (code == SP_OK && h->client_key.len > 0)
		code = sp_file_read_all(l->registry->world, h->client_key, &key, &l->err);
	const sp_tls_opts opts = {.cert_pem = sp_buf_view(&cert),
				  .key_pem = sp_buf_view(&key),
				  .ca_pem = sp_buf_view(&ca),
				  .alpn = alpn,
				  .n_alpn = SP_LEN(alpn),
				  .insecure_skip_verify = h->skip_verify};
	if (code == SP_OK)
		code = sp_tls_client_config(&opts, ret, &l->err);
	sp_buf_cleanse(&key);
	sp_buf_cleanse(&cert); /* may hold the key, too */
	return code;
}

static sp_code config_for(image_load *l, const image_host *h, const void **ret)
{
	SP_AUTO_BUF key;
	sp_buf_init(&key, CONFIG_BYTES);
	SP_TRY(key_of(l, h, &key));
	tls_entry *e = find(&l->registry->tls, sp_buf_view(&key));
	if (e == NULL)
		e = find(&l->made, sp_buf_view(&key));
	if (e == NULL) {
		e = sp_try_alloc(sizeof *e + key.len);
		if (e == NULL)
			return no_room(l);
		memcpy(e->key, key.ptr, key.len);
		e->key_len = key.len;
		sp_code code = make_config(l, h, &e->config);
		if (code != SP_OK) {
			sp_free(e);
			return code;
		}
		sp_list_push_back(&l->made, &e->node);
	}
	*ret = e->config;
	return SP_OK;
}

static sp_code load(image_load *l)
{
	image_registry *r = l->registry;
	static const image_host ordinary = {.https = true};
	SP_TRY(image_hosts_load(r->world, l->arena, r->opts.config_dir, l->host, &l->hosts, &l->err));
	l->tls = sp_try_new(l->arena, const void *, l->hosts.n + 1);
	if (l->tls == NULL)
		return no_room(l);
	for (size_t i = 0; i < l->hosts.n; i++) {
		const image_host *h = &l->hosts.items[i];
		if (h->https && config_for(l, h, &l->tls[i]) != SP_OK)
			return sp_wrap(&l->err, "host '" SP_FMT "'", SP_ARG(h->authority));
	}
	/* Of token servers and redirects. A machine without certificates can still use hosts that have their
	 * own. */
	if (config_for(l, &ordinary, &l->default_tls) != SP_OK)
		l->default_tls = NULL;
	return SP_OK;
}

static void work(sp_work *job)
{
	image_load *l = job->arg;
	l->code = load(l);
}

/* ---- on the loop ---- */

static void start_next(image_registry *r);

static void on_loaded(sp_work *job)
{
	image_load *l = job->arg;
	image_registry *r = l->registry;
	sp_list *node;
	while ((node = sp_list_pop_front(&l->made)) != NULL)
		sp_list_push_back(&r->tls, node);
	r->loading = false;
	start_next(r);
	l->done(l);
}

static void start_next(image_registry *r)
{
	sp_list *node = r->loading ? NULL : sp_list_pop_front(&r->loads);
	if (node == NULL)
		return;
	image_load *l = SP_CONTAINER_OF(node, image_load, node);
	r->loading = true;
	l->work = (sp_work){.fn = work, .done = on_loaded, .arg = l};
	sp_code started = sp_work_start(r->world, &l->work, &l->err);
	if (started == SP_OK)
		return; /* the code is the worker's now */
	l->code = started;
	r->loading = false;
	l->done(l);
	start_next(r);
}

void image_load_start(image_registry *r, image_load *l)
{
	l->registry = r;
	l->code = SP_OK;
	sp_list_init(&l->made);
	sp_list_push_back(&r->loads, &l->node);
	start_next(r);
}
