/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DELETE of a collection: what the selectors choose in the newest revision is deleted one after the other,
 * each as a DELETE of its own would; the answer is the list of what was deleted. Objects that vanish
 * meanwhile are passed over. What a webhook converts is chosen by its converted form. U: apiserver
 * pkg/registry/generic/registry/store.go, DeleteCollection.
 */
#include "apiserver/custom/convert_chunk.h"
#include "apiserver/delete.h"
#include "apiserver/list_writer.h"
#include "apiserver/write.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/num.h"
#include "kube/meta.h"

#define OUT_BYTES_MAX ((size_t)64 << 20)
#define NAMES_BYTES_MAX ((size_t)64 << 20)
#define CHUNK_BYTES ((size_t)256 << 10) /* of what is converted at once */

typedef struct victim {
	sp_str ns, name;
} victim;

typedef struct api_collector {
	api_request *r;
	api_list_options o;
	api_delete_options options;
	api_list_writer writer;
	sp_buf out;
	sp_arena arena; /* of the names */
	victim *victims;
	size_t n, cap, i;
	sp_code code;
	sp_store_chunk chunk;        /* the last one read */
	api_convert_chunk *converts; /* NULL: no webhook converts the kind */
	api_write *child;            /* the deletion under way */
	sp_defer next;
	char revision_text[SP_NUM_TEXT_BYTES];
} api_collector;

/* ---- life ---- */

static void collector_gone(api_request *r)
{
	api_collector *c = r->state;
	r->state = NULL;
	sp_defer_cancel(&c->next);
	api_write_abandon(c->child);
	api_convert_chunk_free(c->converts);
	api_list_writer_done(&c->writer);
	sp_buf_done(&c->out);
	sp_arena_done(&c->arena);
	sp_free(c);
}

/* ---- what is to go ---- */

static sp_code add_victim(api_collector *c, sp_str rest)
{
	if (c->n == c->cap) {
		size_t cap = c->cap == 0 ? 64 : c->cap * 2;
		victim *v = sp_arena_try_grow(&c->arena, c->victims, c->cap * sizeof *v, cap * sizeof *v);
		if (v == NULL)
			return SP_ETOOLARGE;
		c->victims = v;
		c->cap = cap;
	}
	sp_str name = sp_arena_try_dup(&c->arena, rest), ns = {NULL, 0};
	if (name.ptr == NULL)
		return SP_ETOOLARGE;
	if (c->r->res->kind->namespaced)
		(void)sp_str_cut(&name, '/', &ns);
	c->victims[c->n++] = (victim){ns, name};
	return SP_OK;
}

/* One record of the version; *ret_taken: it is to go. */
static sp_code choose(api_collector *c, sp_str record, sp_str rest, bool *ret_taken)
{
	sp_record rec;
	SP_TRY(sp_record_decode(record, &rec, NULL));
	*ret_taken = api_selects(&c->o, c->r->res, &rec, rest);
	return *ret_taken ? add_victim(c, rest) : SP_OK;
}

static sp_store_visit visit(void *arg, const sp_store_entry *e)
{
	api_collector *c = arg;
	bool taken = true;
	c->code = c->converts != NULL ? api_convert_chunk_add(c->converts, e)
				      : choose(c, e->record, e->rest, &taken);
	if (c->code != SP_OK)
		return SP_STORE_STOP;
	return taken ? SP_STORE_TAKE : SP_STORE_SKIP;
}

static sp_code read_chunk(api_collector *c, sp_err *err)
{
	sp_store_chunk next;
	sp_str prefix = {NULL, 0};
	if (c->r->info.ns.len > 0 && c->r->res->kind->namespaced) {
		prefix = SP_CONCAT(&c->arena, c->r->info.ns, SP_STR("/"));
		if (prefix.ptr == NULL)
			return sp_fail(err, SP_ETOOLARGE, "no room for the collection");
	}
	const sp_store_query q = {.resource = c->r->res->prefix,
				  .prefix = prefix,
				  .from = {c->chunk.next, c->chunk.next_len},
				  .revision = c->chunk.revision,
				  .scan_bytes_max = c->converts != NULL ? CHUNK_BYTES : 0};
	SP_TRY(sp_store_range(c->r->server->store, &q, visit, c, &next, err));
	if (c->code != SP_OK)
		return sp_fail(err, c->code, "the collection can't be read");
	c->chunk = next;
	return SP_OK;
}

static sp_code choose_converted(api_collector *c)
{
	api_converted one;
	bool taken;
	while (api_convert_chunk_next(c->converts, &one))
		SP_TRY(choose(c, sp_bytes_view(one.record), one.rest, &taken));
	api_convert_chunk_clear(c->converts);
	return SP_OK;
}

/* A chunk is read and converted. False: it failed and is told. */
static bool take_converted(api_collector *c)
{
	sp_status status;
	if (api_convert_chunk_result(c->converts, c->r->arena, &status) != SP_OK) {
		api_reply_status(c->r, &status);
		return false;
	}
	sp_code code = choose_converted(c);
	if (code != SP_OK)
		api_reply_error(c->r, code, NULL);
	return code == SP_OK;
}

/* The chunks that are left, then the deletions. Comes back from on_converted where a webhook is asked. */
static void collect(api_collector *c)
{
	while (c->chunk.more) {
		sp_err err;
		sp_code code = read_chunk(c, &err);
		if (code != SP_OK) {
			api_reply_error(c->r, code, &err);
			return;
		}
		if (c->converts != NULL && (!api_convert_chunk_start(c->converts) || !take_converted(c)))
			return;
	}
	sp_defer_call(c->r->server->world, &c->next);
}

static void on_converted(void *arg)
{
	api_collector *c = arg;
	if (take_converted(c))
		collect(c);
}

/* ---- one after the other ---- */

static void finish(api_collector *c)
{
	api_request *r = c->r;
	uint64_t revision = sp_store_revision(r->server->store);
	const sp_list_meta meta = {
		.resource_version = {c->revision_text, sp_print_u64(c->revision_text, revision)}};
	api_list_writer_reply(&c->writer, &meta, sp_buf_view(&c->out));
}

static void go_on(api_collector *c)
{
	c->i++;
	sp_defer_call(c->r->server->world, &c->next);
}

static void on_deleted(api_write *w, sp_str json, uint64_t revision)
{
	api_collector *c = w->arg;
	(void)revision;
	sp_code code = api_list_writer_put_json(&c->writer, &c->out, json);
	if (code != SP_OK)
		api_reply_error(c->r, code, NULL);
	else
		go_on(c);
}

static void on_refused(api_write *w, const sp_status *status)
{
	api_collector *c = w->arg;
	if (status->code == 404)
		go_on(c);
	else
		api_reply_status(c->r, status);
}

static void delete_seen(api_write *w)
{
	api_collector *c = w->arg;
	sp_err err;
	sp_code code = api_write_load_at(w, c->victims[c->i].ns, c->victims[c->i].name, &w->obj, &err);
	if (code != SP_OK)
		api_write_fail(w, code, &err);
	else
		api_write_delete(w, &c->options);
}

static void delete_one(api_write *w)
{
	api_collector *c = w->arg;
	api_write_forget_also(w);
	api_write_see(w, c->victims[c->i].ns, c->victims[c->i].name, delete_seen);
}

static void on_next(sp_defer *d)
{
	api_collector *c = d->arg;
	api_write_abandon(c->child);
	c->child = NULL;
	if (c->i == c->n) {
		finish(c);
		return;
	}
	c->child = api_write_new(c->r, NULL, false);
	/* The request stays the collector's. */
	c->r->state = c;
	c->r->on_gone = collector_gone;
	if (c->child == NULL)
		return;
	c->child->arg = c;
	c->child->reply = on_deleted;
	c->child->refused = on_refused;
	c->child->again = delete_one;
	delete_one(c->child);
}

static void on_body(api_request *r, sp_str body)
{
	api_collector *c = r->state;
	sp_err err;
	if (!api_delete_options_read(r, body, &c->options))
		return;
	sp_code code = api_list_writer_init(&c->writer, r, &err);
	if (code == SP_OK)
		c->converts = api_convert_chunk_new(r->server, r->res, on_converted, c, &code);
	if (code != SP_OK)
		api_reply_error(r, code, &err);
	else
		collect(c);
}

void api_delete_collection(api_request *r)
{
	api_collector *c = SP_NEW(api_collector);
	c->r = r;
	c->chunk.more = true;
	sp_buf_init(&c->out, OUT_BYTES_MAX);
	sp_arena_init(&c->arena, NAMES_BYTES_MAX);
	sp_defer_init(&c->next, on_next, c);
	r->state = c;
	r->on_gone = collector_gone;
	if (api_list_options_read(r, &c->o))
		api_read_body(r, on_body);
}
