/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pull: hosts -> what the reference stands for -> index, manifest, configuration -> layers, several at a
 * time, unpacked in their order while others still come -> names.
 */
#include "runtime/image/pull_int.h"

#include "base/alloc.h"
#include "io/tls/x509.h"

#define PULL_BYTES ((size_t)64 << 20)
#define DEPTH_MAX 4u
#define RESOLVE_AGAIN_MAX 4u

static void take_document(image_pull *p, sp_str digest, sp_str text, sp_str media_type);

/* ---- the end ---- */

static void pull_free(image_pull *p)
{
	for (size_t i = 0; i < p->n_endpoints; i++)
		image_endpoint_done(&p->endpoints[i]);
	sp_defer_cancel(&p->later);
	sp_list_remove(&p->lease.node);
	sp_buf_done(&p->body);
	sp_buf_cleanse(&p->secrets);
	sp_buf_done(&p->secrets);
	sp_arena_done(&p->arena);
	sp_free(p);
}

static void on_later(sp_defer *d)
{
	image_pull *p = d->arg;
	image_store *s = p->store;
	const image *img = NULL;
	if (p->code == SP_OK) {
		size_t n;
		(void)image_list(s, &n); /* makes its tags */
		img = &p->entry->pub;
	}
	p->opts.done(p->opts.arg, p->code, img, p->code == SP_OK ? NULL : &p->err);
	if (p->entry != NULL)
		image_entry_release(s, p->entry);
	image_op_end(s, &p->op);
	pull_free(p);
}

/* Stops everything; the end comes when the workers are done with what is ours. */
static void pull_end(image_pull *p, sp_code code, const sp_err *err)
{
	if (p->over)
		return;
	p->over = true;
	p->op.cancel = NULL;
	p->code = code;
	if (err != NULL)
		p->err = *err;
	sp_timer_stop(p->store->world, &p->retry);
	image_fetch_cancel(p->fetch);
	p->fetch = NULL;
	image_writer_free(p->saver);
	p->saver = NULL;
	if (p->document.pull != NULL)
		pull_part_stop(&p->document);
	for (size_t i = 0; i < p->n_layers; i++)
		pull_part_stop(&p->layers[i]);
	image_layers_cancel(p->run);
	p->run = NULL;
	if (!p->loading && !p->reading)
		sp_defer_call(p->store->world, &p->later);
}

static void pull_fail(image_pull *p, sp_code code)
{
	sp_err copy = p->err;
	(void)sp_wrap(&copy, "'" SP_FMT "'", SP_ARG(p->ref.name));
	pull_end(p, code, &copy);
}

static void no_room(image_pull *p)
{
	pull_fail(p, sp_fail(&p->err, SP_ENOMEM, "no memory for a pull"));
}

/* ---- progress ---- */

static void tell(image_pull *p, image_stage stage, size_t i)
{
	image_progress progress = {.stage = stage, .n_layers = p->n_layers};
	if (p->opts.on_progress == NULL || p->over)
		return;
	if (i < p->n_layers) {
		progress.i_layer = i;
		progress.digest = p->layers[i].digest;
		progress.done_bytes = p->layers[i].at;
		progress.total_bytes = p->layers[i].size_bytes;
	}
	p->opts.on_progress(p->opts.arg, &progress);
}

static size_t index_of(const image_pull *p, const pull_part *part)
{
	return part == &p->document ? SIZE_MAX : (size_t)(part - p->layers);
}

void pull_part_progress(pull_part *part)
{
	size_t i = index_of(part->pull, part);
	if (i != SIZE_MAX)
		tell(part->pull, IMAGE_STAGE_DOWNLOADING, i);
}

/* ---- names, the last step ---- */

static void on_committed(void *arg, sp_code code, const sp_err *err)
{
	image_pull *p = arg;
	p->over = true;
	p->code = code;
	if (err != NULL)
		p->err = *err;
	sp_defer_call(p->store->world, &p->later);
}

static sp_code put_names(image_pull *p)
{
	image_reference by_digest = p->ref;
	by_digest.digest = p->target;
	sp_str digest_name = image_reference_print(&p->arena, &by_digest),
	       name = image_reference_print(&p->arena, &p->ref);
	if (digest_name.ptr == NULL || name.ptr == NULL)
		return sp_fail(&p->err, SP_ENOMEM, "no memory for a name");
	SP_TRY(image_entry_name(p->store, p->entry, digest_name, p->target, &p->err));
	return image_entry_name(p->store, p->entry, name, p->target, &p->err);
}

static void finish_when_all_there(image_pull *p)
{
	if (p->over || p->entry != NULL || p->n_done < p->n_layers || (!p->unpacked && !p->opts.no_unpack))
		return;
	sp_code code = image_entry_put(p->store, p->manifest_digest, p->manifest, p->config_text, &p->entry,
				       &p->err);
	if (code == SP_OK) {
		image_entry_hold(p->entry);
		code = put_names(p);
	}
	if (code != SP_OK) {
		pull_fail(p, code);
		return;
	}
	p->commit = (image_commit){.done = on_committed, .arg = p};
	p->op.cancel = NULL; /* it ends by itself now */
	p->committing = true;
	image_commit_start(p->store, &p->commit);
}

/* ---- layers ---- */

static void schedule(image_pull *p)
{
	for (size_t i = 0; i < p->n_layers && p->n_running < p->registry->opts.n_parallel && !p->over; i++) {
		pull_part *part = &p->layers[i];
		if (part->state != PART_WAITING)
			continue;
		if (image_content_find(&p->store->content, part->digest) == NULL) {
			p->n_running++;
			pull_part_start(part);
			continue;
		}
		part->state = PART_DONE;
		part->at = part->size_bytes;
		p->n_done++;
		tell(p, IMAGE_STAGE_DOWNLOADED, i);
	}
	if (!p->over)
		finish_when_all_there(p);
}

static void on_unpack_progress(void *arg, size_t i, bool ready)
{
	tell(arg, ready ? IMAGE_STAGE_DONE : IMAGE_STAGE_UNPACKING, i);
}

static void on_unpacked(void *arg, sp_code code, const sp_err *err)
{
	image_pull *p = arg;
	p->run = NULL;
	p->unpacked = code == SP_OK;
	if (code != SP_OK) {
		p->err = *err;
		pull_fail(p, code);
	} else {
		finish_when_all_there(p);
	}
}

static void start_layers(image_pull *p)
{
	static const layer_run_events events = {on_unpack_progress, on_unpacked};
	const image_document *m = &p->parsed;
	image_part *parts = sp_try_new(&p->arena, image_part, m->n_layers + 1);
	p->layers = sp_try_new(&p->arena, pull_part, m->n_layers + 1);
	if (parts == NULL || p->layers == NULL ||
	    image_chain_ids(&p->arena, &p->config.diff_ids, &p->chain_ids, &p->err) != SP_OK) {
		no_room(p);
		return;
	}
	for (size_t i = 0; i < m->n_layers; i++) {
		const image_descriptor *d = &m->layers[i];
		parts[i] = (image_part){d->digest, d->size_bytes};
		p->layers[i] = (pull_part){
			.pull = p, .digest = d->digest, .size_bytes = d->size_bytes, .kind = SP_STR("blobs")};
	}
	p->n_layers = m->n_layers;
	for (size_t i = 0; i < p->n_layers; i++)
		tell(p, IMAGE_STAGE_WAITING, i);
	if (!p->opts.no_unpack) {
		p->run = image_layers_start(p->store, &p->chain_ids, &p->config.diff_ids, parts, &events, p);
		if (p->run == NULL) {
			no_room(p);
			return;
		}
	}
	schedule(p);
}

void pull_part_done(pull_part *part, sp_code code, const sp_err *err)
{
	image_pull *p = part->pull;
	size_t i = index_of(p, part);
	if (p->over)
		return;
	part->state = PART_DONE;
	if (code != SP_OK) {
		p->err = *err;
		pull_fail(p, code);
		return;
	}
	if (i == SIZE_MAX) {
		pull_read_document(p);
		return;
	}
	part->at = part->size_bytes;
	p->n_running--;
	p->n_done++;
	tell(p, IMAGE_STAGE_DOWNLOADED, i);
	if (p->run != NULL)
		image_layers_poke(p->run);
	schedule(p);
}

/* ---- documents ---- */

static void read_work(sp_work *job)
{
	image_pull *p = job->arg;
	sp_str path = image_content_path(&p->store->content, p->document.digest, &p->arena);
	p->read_code = path.ptr == NULL ? sp_fail(&p->read_err, SP_ENOMEM, "no memory for a document")
					: sp_file_read_arena(p->store->world, path, &p->arena,
							     IMAGE_DOCUMENT_BYTES, &p->text, &p->read_err);
}

static void on_read(sp_work *job)
{
	image_pull *p = job->arg;
	p->reading = false;
	if (p->over) {
		sp_defer_call(p->store->world, &p->later);
	} else if (p->read_code != SP_OK) {
		p->err = p->read_err;
		pull_fail(p, p->read_code);
	} else {
		take_document(p, p->document.digest, p->text, (sp_str){NULL, 0});
	}
}

void pull_read_document(image_pull *p)
{
	p->read_work = (sp_work){.fn = read_work, .done = on_read, .arg = p};
	sp_code code = sp_work_start(p->store->world, &p->read_work, &p->err);
	p->reading = code == SP_OK;
	if (code != SP_OK)
		pull_fail(p, code);
}

static void get_document(image_pull *p, const image_descriptor *d, const char *kind)
{
	p->document = (pull_part){
		.pull = p, .digest = d->digest, .size_bytes = d->size_bytes, .kind = sp_str_c(kind)};
	if (d->size_bytes > IMAGE_DOCUMENT_BYTES)
		pull_fail(p, sp_fail(&p->err, SP_ETOOLARGE, SP_FMT " has %llu bytes", SP_ARG(d->digest),
				     (unsigned long long)d->size_bytes));
	else if (image_content_find(&p->store->content, d->digest) != NULL)
		pull_read_document(p);
	else
		pull_part_start(&p->document);
}

static void take_config(image_pull *p, sp_str text)
{
	p->config_text = text;
	sp_code code = image_config_parse(&p->arena, text, &p->config, &p->err);
	if (code == SP_OK && p->config.diff_ids.n != p->parsed.n_layers)
		code = sp_fail(&p->err, SP_EPROTO, "the configuration has %zu layers, the manifest %zu",
			       p->config.diff_ids.n, p->parsed.n_layers);
	if (code == SP_OK)
		start_layers(p);
	else
		pull_fail(p, code);
}

static void take_document(image_pull *p, sp_str digest, sp_str text, sp_str media_type)
{
	if (p->want_config) {
		take_config(p, text);
		return;
	}
	sp_code code = image_document_parse(&p->arena, text, media_type, &p->parsed, &p->err);
	if (code != SP_OK) {
		pull_fail(p, code);
		return;
	}
	if (p->parsed.kind == IMAGE_DOCUMENT_MANIFEST) {
		p->manifest_digest = digest;
		p->manifest = text;
		p->want_config = true;
		get_document(p, &p->parsed.config, "blobs");
		return;
	}
	const image_descriptor *pick = image_index_pick(&p->parsed, &p->platform);
	if (pick == NULL || ++p->depth > DEPTH_MAX)
		pull_fail(p, sp_fail(&p->err, SP_ENOTFOUND, "there is no image for " SP_FMT "/" SP_FMT,
				     SP_ARG(p->platform.os), SP_ARG(p->platform.architecture)));
	else
		get_document(p, pick, "manifests");
}

/* ---- what the reference stands for ---- */

static void resolve_next(image_pull *p);

/* What was resolved goes into the store. */
static void on_saver_ready(void *arg, uint64_t offset)
{
	image_pull *p = arg;
	if (offset > 0) {
		image_writer_restart(p->saver);
		return;
	}
	image_writer_write(p->saver, p->text.ptr, p->text.len);
	image_writer_end(p->saver);
}

static void on_saver_room(void *arg)
{
	(void)arg; /* it is written at once */
}

static void on_saved(void *arg, sp_code code, const sp_err *err)
{
	image_pull *p = arg;
	sp_err copy = err == NULL ? (sp_err){0} : *err;
	image_writer_free(p->saver);
	p->saver = NULL;
	if (code != SP_OK) {
		p->err = copy;
		pull_fail(p, code);
		return;
	}
	take_document(p, p->target, p->text, sp_str_c(p->content_type));
}

static sp_code check_resolved(image_pull *p)
{
	sp_sha256_sum *sum = sp_sha256_new();
	char digest[IMAGE_DIGEST_BYTES + 1] = "sha256:";
	if (sum == NULL)
		return sp_fail(&p->err, SP_ENOMEM, "no memory for a digest");
	sp_sha256_update(sum, p->body.ptr, p->body.len);
	sp_sha256_text(sum, digest + 7);
	sp_sha256_free(sum);
	if (p->ref.digest.len > 0 && !sp_str_eq(p->ref.digest, sp_str_c(digest)))
		return sp_fail(&p->err, SP_EPROTO, "what came as " SP_FMT " has the digest %s",
			       SP_ARG(p->ref.digest), digest);
	p->target = sp_arena_try_dup(&p->arena, sp_str_c(digest));
	p->text = sp_arena_try_dup(&p->arena, sp_buf_view(&p->body));
	if (p->target.ptr == NULL || p->text.ptr == NULL)
		return sp_fail(&p->err, SP_ENOMEM, "no memory for a manifest");
	return SP_OK;
}

static void on_resolve_head(void *arg, uint64_t start, int64_t length, sp_str content_type)
{
	image_pull *p = arg;
	(void)length;
	p->too_large = start != 0; /* a part was not asked for */
	size_t n = SP_MIN(content_type.len, sizeof p->content_type - 1);
	memcpy(p->content_type, content_type.ptr, n);
	p->content_type[n] = '\0';
}

static void on_resolve_body(void *arg, const uint8_t *bytes, size_t n)
{
	image_pull *p = arg;
	if (!p->too_large && sp_buf_append(&p->body, bytes, n) != SP_OK)
		p->too_large = true;
}

static void on_resolve_retry(sp_timer *t)
{
	resolve_next(t->arg);
}

/* The last host is asked again when it was there and only too busy; others have somebody behind them. */
static bool resolve_again(image_pull *p, sp_code code, uint64_t retry_after_s, const sp_err *err)
{
	bool busy = err->sys_errno == 0 && (code == SP_EUNAVAILABLE || code == SP_ETOOMANY);
	if (!busy || p->i_host < p->n_endpoints || ++p->n_failures > RESOLVE_AGAIN_MAX)
		return false;
	p->i_host--;
	p->retry.arg = p;
	sp_timer_start(p->store->world, &p->retry,
		       pull_pause_ns(p->store->world, p->n_failures, retry_after_s), on_resolve_retry);
	return true;
}

static void on_resolved(void *arg, sp_code code, uint64_t retry_after_s, const sp_err *err)
{
	static const image_writer_events events = {on_saver_ready, on_saver_room, on_saved};
	image_pull *p = arg;
	p->fetch = NULL;
	if (code != SP_OK && resolve_again(p, code, retry_after_s, err))
		return;
	if (code != SP_OK)
		p->err = *err;
	else if (p->too_large)
		code = sp_fail(&p->err, SP_ETOOLARGE, "the manifest has more than %zu bytes",
			       IMAGE_DOCUMENT_BYTES);
	else
		code = check_resolved(p);
	p->code = code; /* of the host asked last, when no other answers */
	if (code != SP_OK) {
		resolve_next(p);
		return;
	}
	p->saver = image_writer_new(&p->store->content, p->target, p->text.len, &events, p);
	if (p->saver == NULL)
		no_room(p);
}

static const image_fetch_events resolve_events = {on_resolve_head, on_resolve_body, on_resolved};

static void resolve_next(image_pull *p)
{
	while (p->i_host < p->n_endpoints &&
	       (p->endpoints[p->i_host].host.capabilities & IMAGE_HOST_RESOLVE) == 0)
		p->i_host++;
	if (p->i_host == p->n_endpoints) {
		if (p->code == SP_OK)
			p->code = sp_fail(&p->err, SP_ENOTFOUND, "no host may be asked what it stands for");
		pull_fail(p, p->code);
		return;
	}
	image_endpoint *e = &p->endpoints[p->i_host++];
	image_fetch_opts o = {.http = p->registry->http,
			      .endpoint = e,
			      .path = SP_CONCAT(&p->arena, SP_STR("/"), p->ref.path, SP_STR("/manifests/"),
						p->ref.digest.len > 0 ? p->ref.digest : p->ref.tag),
			      .query = e->host.is_registry ? (sp_str){NULL, 0} : p->ns,
			      .accept = SP_STR(IMAGE_ACCEPT),
			      .idle_ns = p->registry->opts.stall_ns};
	sp_buf_clear(&p->body);
	p->too_large = false;
	p->fetch = o.path.ptr == NULL ? NULL : image_fetch_start(p->store->world, &o, &resolve_events, p);
	if (p->fetch == NULL)
		no_room(p);
}

/* ---- hosts ---- */

static sp_code make_endpoints(image_pull *p)
{
	const image_load *l = &p->load;
	p->endpoints = sp_try_new(&p->arena, image_endpoint, l->hosts.n + 1);
	p->ns = SP_CONCAT(&p->arena, SP_STR("ns="), p->ref.host);
	sp_str scope = SP_CONCAT(&p->arena, SP_STR("repository:"), p->ref.path, SP_STR(":pull"));
	if (p->endpoints == NULL || p->ns.ptr == NULL || scope.ptr == NULL)
		return sp_fail(&p->err, SP_ENOMEM, "no memory for hosts");
	for (size_t i = 0; i < l->hosts.n; i++) {
		image_endpoint *e = &p->endpoints[i];
		e->host = l->hosts.items[i];
		e->tls = l->tls[i];
		e->default_tls = l->default_tls;
		e->scope = scope;
		sp_buf_init(&e->token, IMAGE_SECRET_BYTES);
		p->n_endpoints++;
		/* Credentials are the registry's: a mirror does not get to see them. */
		if (!e->host.is_registry || !p->has_credentials)
			continue;
		e->login = &p->credentials;
		if (p->credentials.registry_token.len == 0)
			continue;
		if (sp_buf_reserve(&e->token, p->credentials.registry_token.len) == NULL)
			return sp_fail(&p->err, SP_ENOMEM, "no memory for a token");
		(void)sp_buf_str(&e->token, p->credentials.registry_token);
		e->auth = IMAGE_AUTH_BEARER;
	}
	return SP_OK;
}

static void on_loaded(image_load *l)
{
	image_pull *p = l->arg;
	p->loading = false;
	if (p->over) {
		sp_defer_call(p->store->world, &p->later);
		return;
	}
	sp_code code = l->code;
	if (code != SP_OK)
		p->err = l->err;
	else
		code = make_endpoints(p);
	if (code != SP_OK) {
		pull_fail(p, code);
		return;
	}
	tell(p, IMAGE_STAGE_RESOLVING, SIZE_MAX);
	resolve_next(p);
}

/* ---- the interface ---- */

static bool mark(image_lease *lease, sp_map *marks, sp_map *chains)
{
	image_pull *p = SP_CONTAINER_OF(lease, image_pull, lease);
	const sp_str digests[] = {p->target, p->document.digest, p->manifest_digest, p->parsed.config.digest};
	for (size_t i = 0; i < SP_LEN(digests); i++) {
		if (digests[i].len > 0 && sp_map_put(marks, digests[i], p, NULL) != SP_OK)
			return false;
	}
	for (size_t i = 0; i < p->n_layers; i++) {
		if (sp_map_put(marks, p->layers[i].digest, p, NULL) != SP_OK ||
		    sp_map_put(chains, p->chain_ids.items[i], p, NULL) != SP_OK)
			return false;
	}
	return true;
}

/* The text of credentials in one buffer that is wiped at the end. */
static sp_code copy_credentials(image_pull *p, const image_credentials *c)
{
	const sp_str from[] = {c->username, c->password, c->identity_token, c->registry_token};
	sp_str *const to[] = {&p->credentials.username, &p->credentials.password,
			      &p->credentials.identity_token, &p->credentials.registry_token};
	size_t total = 0;
	for (size_t i = 0; i < SP_LEN(from); i++)
		total += from[i].len;
	if (total > IMAGE_SECRET_BYTES)
		return sp_fail(&p->err, SP_ETOOLARGE, "the credentials have more than %zu bytes",
			       IMAGE_SECRET_BYTES);
	if (total > 0 && sp_buf_reserve(&p->secrets, total) == NULL)
		return sp_fail(&p->err, SP_ENOMEM, "no memory for credentials");
	for (size_t i = 0; i < SP_LEN(from); i++) {
		size_t at = p->secrets.len;
		(void)sp_buf_str(&p->secrets, from[i]);
		*to[i] = (sp_str){p->secrets.ptr + at, from[i].len};
	}
	p->has_credentials = total > 0;
	return SP_OK;
}

static sp_code pull_init(image_pull *p, const image_pull_opts *o)
{
	const image_platform want = {o->os, o->architecture, o->variant};
	const image_platform own = image_platform_or_own(&want);
	SP_TRY(image_reference_parse(&p->arena, o->reference, &p->ref, &p->err));
	p->platform = (image_platform){sp_arena_try_dup(&p->arena, own.os),
				       sp_arena_try_dup(&p->arena, own.architecture),
				       sp_arena_try_dup(&p->arena, own.variant)};
	if (p->platform.os.ptr == NULL || p->platform.architecture.ptr == NULL)
		return sp_fail(&p->err, SP_ENOMEM, "no memory for a pull");
	return o->credentials == NULL ? SP_OK : copy_credentials(p, o->credentials);
}

static void on_op_cancel(image_op *op)
{
	image_pull_cancel(SP_CONTAINER_OF(op, image_pull, op));
}

sp_code image_pull_start(image_store *s, image_registry *r, const image_pull_opts *opts, image_pull **ret,
			 sp_err *err)
{
	image_pull *p = sp_try_alloc(sizeof *p);
	if (p == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a pull");
	p->store = s;
	p->registry = r;
	p->opts = *opts;
	sp_arena_init(&p->arena, PULL_BYTES);
	sp_buf_init(&p->secrets, IMAGE_SECRET_BYTES);
	sp_buf_init(&p->body, IMAGE_DOCUMENT_BYTES);
	sp_defer_init(&p->later, on_later, p);
	sp_list_init(&p->lease.node);
	p->lease.mark = mark;
	sp_code code = pull_init(p, opts);
	if (code != SP_OK) {
		if (err != NULL)
			*err = p->err;
		pull_free(p);
		return code;
	}
	sp_list_push_back(&s->leases, &p->lease.node);
	image_op_begin(s, &p->op, on_op_cancel);
	p->load = (image_load){.host = p->ref.host, .arena = &p->arena, .done = on_loaded, .arg = p};
	p->loading = true;
	image_load_start(r, &p->load);
	*ret = p;
	return SP_OK;
}

void image_pull_cancel(image_pull *p)
{
	sp_err err;
	sp_code code =
		sp_fail(&err, SP_ECANCELED, "the pull of '" SP_FMT "' was canceled", SP_ARG(p->ref.name));
	if (!p->committing)
		pull_end(p, code, &err);
}
